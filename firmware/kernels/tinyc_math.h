#ifndef TINYC_MATH_H
#define TINYC_MATH_H

#include <math.h>

#endif
