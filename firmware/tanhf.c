/* tanhf for a compiler whose runtime library has expf but no tanhf (Clang's). Near zero, where
 * the quotient would cancel, a polynomial in x * x: least squares at 400 Chebyshev nodes over
 * 0..0.625^2 of (tanh(x) / x - 1) / x^2, relative error under 2e-8. */
#include <math.h>

float tanhf(float x)
{
    const float a = x < 0.0F ? -x : x;
    if (a < 0.625F) {
        const float z = x * x;
        const float p =
            (((-0.0061049449F * z + 0.021003639F) * z - 0.0538524985F) * z + 0.133327827F) * z -
            0.333333284F;
        return x + x * z * p;
    }
    if (!(a < 10.0F)) { /* 1 to float's precision from 9.1 on; a NaN stays one */
        return a >= 10.0F ? (x < 0.0F ? -1.0F : 1.0F) : x;
    }
    const float t = 1.0F - 2.0F / (expf(2.0F * a) + 1.0F);
    return x < 0.0F ? -t : t;
}
