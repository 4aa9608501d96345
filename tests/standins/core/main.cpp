#include <Arduino.h>
#include <stdio.h>

SerialPort Serial;

void SerialPort::begin(unsigned long) {}
SerialPort::operator bool() { return true; }
void SerialPort::print(const char *text) { printf("%s", text); }
void SerialPort::println(long value) { printf("%ld\n", value); }
void SerialPort::println(unsigned long value) { printf("%lu\n", value); }
void SerialPort::println(double value, int digits) { printf("%.*f\n", digits, value); }

unsigned long micros() { return 0; }
void delay(unsigned long) {}

int main()
{
    setup();
    loop();
    return 0;
}
