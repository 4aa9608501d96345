// Stand-in for an Arduino core: Serial is the standard output, and loop runs once.
#pragma once
#include <stdint.h>

struct SerialPort {
    void begin(unsigned long baud);
    operator bool();
    void print(const char *text);
    void println(long value);
    void println(unsigned long value);
    void println(double value, int digits);
};
extern SerialPort Serial;

unsigned long micros();
void delay(unsigned long ms);
void setup();
void loop();
