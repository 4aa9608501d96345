/* Which taps of a filter lie inside the image along one axis. Tap k of a window that starts at
 * `start` (negative in the padding) reads start + k * dilation; those from the first up to, not
 * including, the end read 0 to size - 1. */
TINYC_INLINE int32_t tinyc_first_tap(int32_t start, int32_t dilation)
{
    return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

TINYC_INLINE int32_t tinyc_end_tap(int32_t start, int32_t dilation, int32_t taps, int32_t size)
{
    const int32_t end = start < size ? (size - start + dilation - 1) / dilation : 0;
    return end < taps ? end : taps;
}
