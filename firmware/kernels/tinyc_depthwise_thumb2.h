/* Depthwise convolution by 3x3 filters on cores without SIMD: three to five pixels of a row at a
 * time, for all of which an input and a weight are loaded once.
 *
 * weights: of each channel, tap by tap; table: bias of each channel, and the two words with which
 * it is stored, see tinyc_store_thumb2.h. */
#ifndef TINYC_DEPTHWISE_THUMB2_H
#define TINYC_DEPTHWISE_THUMB2_H

#include "tinyc_store_thumb2.h"
#include "tinyc_window.h"

struct tinyc_depthwise {
    const int8_t *weights;
    const int32_t *table;
    int32_t channels, zero_point;
};

/* The outputs of some pixels, all channels of each; x: the first one's window, whose rows are
 * `pitch` bytes apart. */
typedef void tinyc_depthwise_pixels(const struct tinyc_depthwise *layer, const int8_t *x,
                                    int32_t pitch, int8_t *out);

#if TINYC_THUMB2

#define TINYC_MLA(sum, w, x) "mla    " sum ", " w ", " x ", " sum "\n\t"
/* Input `at` of a row, counted from r7: r9 bytes lie between two. */
#define TINYC_INPUT_0(x)    "ldrsb  " x ", [r7]\n\t"
#define TINYC_INPUT_1(x)    "ldrsb  " x ", [r7, r9]\n\t"
#define TINYC_INPUT_2(x)    "ldrsb  " x ", [r7, r9, lsl #1]\n\t"
#define TINYC_INPUT_4(x)    "ldrsb  " x ", [r7, r9, lsl #2]\n\t"
#define TINYC_NEXT_INPUT    "add    r7, r9\n\t"
#define TINYC_IF(condition) ".if    " condition "\n\t"
#define TINYC_ENDIF         ".endif\n\t"

/* Windows side by side. */
#define TINYC_DEPTHWISE_ROW_1(count)                                                              \
    TINYC_MLA("r1", "r4", "lr")                                                                   \
    TINYC_INPUT_2("r12")                                                                          \
    TINYC_INPUT_4("lr")                                                                           \
    TINYC_MLA("r0", "r6", "r12")                                                                  \
    TINYC_MLA("r1", "r5", "r12")                                                                  \
    TINYC_MLA("r2", "r4", "r12")                                                                  \
    TINYC_MLA("r2", "r6", "lr")                                                                   \
    TINYC_IF(#count " > 3")                                                                       \
    TINYC_MLA("r3", "r5", "lr")                                                                   \
    TINYC_ENDIF TINYC_IF(#count " > 4") TINYC_MLA("r8", "r4", "lr")                               \
        TINYC_ENDIF TINYC_NEXT_INPUT TINYC_INPUT_2("r12") TINYC_IF(#count " > 3")                 \
            TINYC_INPUT_4("lr") TINYC_ENDIF TINYC_MLA("r1", "r6", "r12")                          \
                TINYC_MLA("r2", "r5", "r12") TINYC_IF(#count " > 3") TINYC_MLA("r3", "r4", "r12") \
                    TINYC_MLA("r3", "r6", "lr") TINYC_ENDIF TINYC_IF(#count " > 4")               \
                        TINYC_MLA("r8", "r5", "lr") TINYC_NEXT_INPUT TINYC_INPUT_4("lr")          \
                            TINYC_MLA("r8", "r6", "lr") TINYC_ENDIF

/* Windows two pixels apart. */
#define TINYC_DEPTHWISE_ROW_2(count) \
    TINYC_INPUT_2("r12")             \
    TINYC_INPUT_4("lr")              \
    TINYC_MLA("r0", "r6", "r12")     \
    TINYC_MLA("r1", "r4", "r12")     \
    TINYC_MLA("r1", "r6", "lr")      \
    TINYC_MLA("r2", "r4", "lr")      \
    TINYC_NEXT_INPUT                 \
    TINYC_INPUT_2("r12")             \
    TINYC_INPUT_4("lr")              \
    TINYC_MLA("r1", "r5", "r12")     \
    TINYC_MLA("r2", "r5", "lr")      \
    TINYC_NEXT_INPUT                 \
    TINYC_INPUT_4("r12")             \
    TINYC_MLA("r2", "r6", "r12")     \
    TINYC_IF(#count " > 3")          \
    TINYC_MLA("r3", "r4", "r12")     \
    TINYC_NEXT_INPUT                 \
    TINYC_INPUT_4("r12")             \
    TINYC_MLA("r3", "r5", "r12")     \
    TINYC_NEXT_INPUT                 \
    TINYC_INPUT_4("r12")             \
    TINYC_MLA("r3", "r6", "r12")     \
    TINYC_ENDIF                      \
    TINYC_IF(#count " > 4")          \
    TINYC_MLA("r8", "r4", "r12")     \
    TINYC_NEXT_INPUT                 \
    TINYC_INPUT_4("r12")             \
    TINYC_MLA("r8", "r5", "r12")     \
    TINYC_NEXT_INPUT                 \
    TINYC_INPUT_4("r12")             \
    TINYC_MLA("r8", "r6", "r12")     \
    TINYC_ENDIF

#define TINYC_DEPTHWISE_STORE(store, sum) \
    store(sum, "lr", "r4", "r5", "r12", "r6") "add    r6, r9\n\t"

/* A tinyc_depthwise_pixels of `count` pixels. moved: by how many inputs a row moves r7.
 *
 * r0 to r3 and r8: sums; r4 to r6: weights of a row; r7: inputs, which r11 brings to the next row;
 * r9: channels; r10: weights. On the stack: x, out, table, zero point, end of the weights. */
#define TINYC_DEFINE_DEPTHWISE_3X3(name, count, stride, moved, store)                              \
    __attribute__((naked, noinline, unused)) static void name(                                     \
        __attribute__((unused)) const struct tinyc_depthwise *layer,                               \
        __attribute__((unused)) const int8_t *x, __attribute__((unused)) int32_t pitch,            \
        __attribute__((unused)) int8_t *out)                                                       \
    {                                                                                              \
        __asm__ volatile(                                                                        \
            ".syntax unified\n\t"                                                                \
            "push   {r4-r11, lr}\n\t"                                                            \
            "ldm    r0, {r5, r6, r9, r12}\n\t"                                                   \
            "mov    r10, r5\n\t"                                                                 \
            "mov    r11, #" #moved "\n\t"                                                        \
            "mls    r11, r11, r9, r2\n\t"                                                        \
            "add    r8, r9, r9, lsl #3\n\t"                                                      \
            "add    r8, r10\n\t"                                                                 \
            "push   {r1, r3, r6, r8, r12}\n"                                                     \
            "1:\n\t"                                                                             \
            "ldr    r7, [sp]\n\t"                                                                \
            "ldr    r12, [sp, #8]\n\t"                                                           \
            "add    lr, r7, #1\n\t"                                                              \
            "str    lr, [sp]\n\t"                                                                \
            "ldr    r0, [r12]\n\t"                                                               \
            "mov    r1, r0\n\t"                                                                  \
            "mov    r2, r0\n\t"                                                                  \
            "mov    r3, r0\n\t"                                                                  \
            "mov    r8, r0\n\t"                                                                  \
            ".rept  3\n\t"                                                                       \
            "ldrsb  r4, [r10], #1\n\t"                                                           \
            "ldrsb  r5, [r10], #1\n\t"                                                           \
            "ldrsb  r6, [r10], #1\n\t"                                                           \
            TINYC_INPUT_0("r12")                                                                 \
            TINYC_INPUT_1("lr")                                                                  \
            TINYC_MLA("r0", "r4", "r12")                                                         \
            TINYC_MLA("r0", "r5", "lr")                                                          \
            TINYC_DEPTHWISE_ROW_##stride(count)                                                  \
            "add    r7, r11\n\t"                                                                 \
            ".endr\n\t"                                                                          \
            "ldr    r7, [sp, #8]\n\t"                                                            \
            "ldr    r6, [sp, #4]\n\t"                                                            \
            "ldr    r12, [sp, #16]\n\t"                                                          \
            "ldrd   r4, r5, [r7, #4]\n\t"                                                        \
            "add    r7, #12\n\t"                                                                 \
            "str    r7, [sp, #8]\n\t"                                                            \
            "add    r7, r6, #1\n\t"                                                              \
            "str    r7, [sp, #4]\n\t"                                                            \
            TINYC_DEPTHWISE_STORE(store, "r0")                                                          \
            TINYC_DEPTHWISE_STORE(store, "r1")                                                          \
            TINYC_DEPTHWISE_STORE(store, "r2")                                                          \
            TINYC_IF(#count " > 3") TINYC_DEPTHWISE_STORE(store, "r3") TINYC_ENDIF                      \
            TINYC_IF(#count " > 4") TINYC_DEPTHWISE_STORE(store, "r8") TINYC_ENDIF                      \
            "ldr    lr, [sp, #12]\n\t"                                                           \
            "cmp    r10, lr\n\t"                                                                 \
            "bne    1b\n\t"                                                                      \
            "add    sp, #20\n\t"                                                                 \
            "pop    {r4-r11, pc}\n\t"); \
    }

#else

#define TINYC_DEFINE_DEPTHWISE_3X3(name, count, stride, moved, store)                    \
    static TINYC_SHARED void name(const struct tinyc_depthwise *layer, const int8_t *x,  \
                                  int32_t pitch, int8_t *out)                            \
    {                                                                                    \
        for (int32_t c = 0; c < layer->channels; c++) {                                  \
            const int32_t *const entry = layer->table + 3 * c;                           \
            for (int32_t i = 0; i < (count); i++) {                                      \
                int32_t sum = entry[0];                                                  \
                for (int32_t k = 0; k < 9; k++) {                                        \
                    const int32_t at = (i * (stride) + k % 3) * layer->channels + c;     \
                    sum += x[k / 3 * pitch + at] * layer->weights[9 * c + k];            \
                }                                                                        \
                store(out + i * layer->channels + c, sum, entry + 1, layer->zero_point); \
            }                                                                            \
        }                                                                                \
    }

#endif

/* Those of each count and stride. */
#define TINYC_DEFINE_DEPTHWISE(name, store)                         \
    TINYC_DEFINE_DEPTHWISE_3X3(name##_three, 3, 1, 1, store)        \
    TINYC_DEFINE_DEPTHWISE_3X3(name##_four, 4, 1, 1, store)         \
    TINYC_DEFINE_DEPTHWISE_3X3(name##_five, 5, 1, 2, store)         \
    TINYC_DEFINE_DEPTHWISE_3X3(name##_by_two_three, 3, 2, 2, store) \
    TINYC_DEFINE_DEPTHWISE_3X3(name##_by_two_four, 4, 2, 4, store)  \
    TINYC_DEFINE_DEPTHWISE_3X3(name##_by_two_five, 5, 2, 6, store)

TINYC_DEFINE_DEPTHWISE(tinyc_depthwise_away, TINYC_STORE_AWAY)

TINYC_DEFINE_DEPTHWISE(tinyc_depthwise_lowest, TINYC_STORE_LOWEST)

/* memcpy of tens of bytes that need not lie on words. */
static TINYC_SHARED int8_t *tinyc_copy(int8_t *to, const int8_t *from, int32_t count)
{
    for (; count >= 8; count -= 8, to += 8, from += 8) {
        uint32_t first;
        uint32_t second;
        memcpy(&first, from, 4);
        memcpy(&second, from + 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + 4, &second, 4);
    }
    for (; count > 0; count--) {
        *to++ = *from++;
    }
    return to;
}

static TINYC_SHARED int8_t *tinyc_fill(int8_t *to, int32_t value, int32_t count)
{
    memset(to, value, (size_t)count);
    return to + count;
}

/* `span` pixels of three rows, as far as they lie in the image, which is padded around. */
static TINYC_SHARED void tinyc_padded_strip(int8_t *strip, const int8_t *image, int32_t y0,
                                            int32_t x0, int32_t span, const struct tinyc_window *w,
                                            int32_t padding)
{
    const struct tinyc_span seen = tinyc_span(x0, span, w->in.w, 1);

    for (int32_t y = y0; y < y0 + 3; y++) {
        if (!tinyc_is_inside(y, w->in.h)) {
            strip = tinyc_fill(strip, padding, span * w->in.c);
            continue;
        }
        strip = tinyc_fill(strip, padding, (seen.first - x0) * w->in.c);
        strip = tinyc_copy(strip, image + (y * w->in.w + seen.first) * w->in.c,
                           (seen.end - seen.first) * w->in.c);
        strip = tinyc_fill(strip, padding, (x0 + span - seen.end) * w->in.c);
    }
}

/* three, four, five: what makes so many pixels of rows that have three or more;
 * scratch: of windows that reach beyond the image, three rows for as many pixels. */
TINYC_INLINE void tinyc_depthwise_thumb2(const int8_t *in, int8_t *out, uint8_t *scratch,
                                         const struct tinyc_depthwise *layer,
                                         const struct tinyc_window *w, int32_t input_zero,
                                         int32_t low, int32_t high, tinyc_depthwise_pixels *three,
                                         tinyc_depthwise_pixels *four, tinyc_depthwise_pixels *five)
{
    int8_t *const strip = (int8_t *)scratch;

    for (int32_t n = 0; n < w->in.n; n++, in += w->in.h * w->in.w * w->in.c) {
        for (int32_t oy = 0; oy < w->out.h; oy++) {
            const int32_t y0 = oy * w->stride.h - w->padding.top;
            int32_t x0 = -w->padding.left;
            for (int32_t left = w->out.w; left > 0;) {
                const int32_t count = left % 4 == 0 ? 4 : (left % 4 == 1 ? 5 : 3);
                const int32_t span = (count - 1) * w->stride.w + 3;
                const int8_t *x = strip;
                int32_t pitch = span * w->in.c;
                if (!tinyc_is_padded(w) ||
                    (tinyc_are_inside(y0, 3, w->in.h) && tinyc_are_inside(x0, span, w->in.w))) {
                    x = in + (y0 * w->in.w + x0) * w->in.c;
                    pitch = w->in.w * w->in.c;
                } else {
                    tinyc_padded_strip(strip, in, y0, x0, span, w, input_zero);
                }
                if (left % 4 == 0) {
                    four(layer, x, pitch, out);
                } else if (left % 4 == 1) {
                    five(layer, x, pitch, out);
                } else {
                    three(layer, x, pitch, out);
                }
                out += count * w->in.c;
                x0 += count * w->stride.w;
                left -= count;
            }
            tinyc_limit_s8(out - w->out.w * w->out.c, w->out.w * w->out.c, low, high);
        }
    }
}

#endif
