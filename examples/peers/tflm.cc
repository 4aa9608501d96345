// TensorFlow Lite Micro in the firmware that tinyc generates for a board: its start-up, console and
// linker script, so that what is counted is the same. It speaks as much of MLPerf Tiny's protocol as
// `measure.py` asks for.
#include <cstdint>

#include "model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" {
#include "tinyc_port.h"
}

// Virtual destructors and checks name them; those of the C library would bring malloc and signals.
void operator delete(void *) noexcept {}
void operator delete(void *, unsigned) noexcept {}
extern "C" [[noreturn]] void abort()
{
    for (;;) {
    }
}

namespace {

alignas(16) uint8_t arena[PEER_ARENA_BYTES];
using Resolver = tflite::MicroMutableOpResolver<PEER_OPERATORS>;
alignas(16) uint8_t resolver_bytes[sizeof(Resolver)];
alignas(16) uint8_t interpreter_bytes[sizeof(tflite::MicroInterpreter)];

// Start-up runs no constructors of globals.
tflite::MicroInterpreter *interpreter()
{
    auto *resolver = new (resolver_bytes) Resolver();
    PEER_ADD(resolver);
    auto *made = new (interpreter_bytes)
        tflite::MicroInterpreter(tflite::GetModel(peer_model), *resolver, arena, sizeof(arena));
    return made->AllocateTensors() == kTfLiteOk ? made : nullptr;
}

void infer(tflite::MicroInterpreter &net, uint32_t times)
{
    tinyc_print("m-infer-start-\r\n");
    for (uint32_t i = 0; i < times; i++) {
        if (net.Invoke() != kTfLiteOk) {
            tinyc_print("e-[Invoke failed]\r\n");
            return;
        }
    }
    tinyc_print("m-infer-done\r\n");
}

} // namespace

extern "C" int main()
{
    tflite::MicroInterpreter *const net = interpreter();
    if (net == nullptr) {
        tinyc_print("e-[AllocateTensors failed]\r\n");
        return 1;
    }
    tinyc_print("m-arena-[");
    tinyc_print_number(static_cast<uint32_t>(net->arena_used_bytes()));
    tinyc_print("]\r\nm-ready\r\n");
    uint32_t times = 0;
    for (;;) {
        const char c = tinyc_receive();
        if (c >= '1' && c <= '9' && times == 0) {
            times = static_cast<uint32_t>(c - '0');
        } else if (c == '%') {
            infer(*net, times);
            tinyc_print("m-ready\r\n");
            times = 0;
        }
    }
}
