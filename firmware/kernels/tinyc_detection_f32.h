/* Detections out of encoded boxes, as LiteRT's detection_postprocess.cc finds them. */
#ifndef TINYC_DETECTION_F32_H
#define TINYC_DETECTION_F32_H

#include "tinyc_math.h"
#include "tinyc_top_k_f32.h"

/* Scores are [box][stride], from `offset` on; scales: of y, x, height and width. */
struct tinyc_detection {
    int32_t boxes, code_size, classes, stride, offset;
    int32_t detections, classes_each, per_class;
    float least_score, overlap, scales[4];
};

struct tinyc_box {
    float y0, x0, y1, x1;
};

TINYC_INLINE struct tinyc_box tinyc_decode_box(const float *code, const float *anchor,
                                               const float *scales)
{
    const float y = code[0] / scales[0] * anchor[2] + anchor[0];
    const float x = code[1] / scales[1] * anchor[3] + anchor[1];
    const float half_h = 0.5f * expf(code[2] / scales[2]) * anchor[2];
    const float half_w = 0.5f * expf(code[3] / scales[3]) * anchor[3];
    const struct tinyc_box box = {y - half_h, x - half_w, y + half_h, x + half_w};
    return box;
}

TINYC_INLINE float tinyc_area(const struct tinyc_box *box)
{
    return (box->y1 - box->y0) * (box->x1 - box->x0);
}

/* How far two sides overlap, 0 if they do not. */
TINYC_INLINE float tinyc_common_side(float a0, float a1, float b0, float b1)
{
    const float side = (b1 < a1 ? b1 : a1) - (a0 < b0 ? b0 : a0);
    return side < 0.0f ? 0.0f : side;
}

/* Intersection over union, 0 where a box is empty. */
TINYC_INLINE float tinyc_box_overlap(const struct tinyc_box *a, const struct tinyc_box *b)
{
    const float area_a = tinyc_area(a);
    const float area_b = tinyc_area(b);
    if (area_a <= 0.0f || area_b <= 0.0f) {
        return 0.0f;
    }
    const float both = tinyc_common_side(a->y0, a->y1, b->y0, b->y1) *
                       tinyc_common_side(a->x0, a->x1, b->x0, b->x1);
    return both / (area_a + area_b - both);
}

/* The best of the active boxes, -1 if there is none; it and those that overlap it are active no
 * longer. Of equal scores the first counts more. */
TINYC_INLINE int32_t tinyc_survivor(const struct tinyc_box *boxes, const float *scores,
                                    int32_t stride, uint8_t *active,
                                    const struct tinyc_detection *d)
{
    int32_t best = -1;
    for (int32_t i = 0; i < d->boxes; i++) {
        if (active[i] && (best < 0 || scores[i * stride] > scores[best * stride])) {
            best = i;
        }
    }
    if (best >= 0) {
        active[best] = 0;
        for (int32_t i = 0; i < d->boxes; i++) {
            if (active[i] && tinyc_box_overlap(&boxes[best], &boxes[i]) > d->overlap) {
                active[i] = 0;
            }
        }
    }
    return best;
}

/* Put a box with its label into the list of the best, of which there are `count`, behind those of
 * no lesser score. Returns how many there are then. */
TINYC_INLINE int32_t tinyc_rank_detection(float *classes, float *scores, int32_t *found,
                                          int32_t count, int32_t most, int32_t box, float label,
                                          float score)
{
    int32_t at = count;
    while (at > 0 && scores[at - 1] < score) {
        at--;
    }
    if (at == most) {
        return count;
    }
    const int32_t last = count < most ? count : most - 1;
    for (int32_t i = last; i > at; i--) {
        classes[i] = classes[i - 1];
        scores[i] = scores[i - 1];
        found[i] = found[i - 1];
    }
    classes[at] = label;
    scores[at] = score;
    found[at] = box;
    return last + 1;
}

/* decoded: room for the boxes; best: for the scores of their best classes; active: for a mark of
 * each; found: for the classes of a detection, or if `per_class` is not 0, for the boxes of all. */
TINYC_INLINE void tinyc_detection_f32(const float *codes, const float *scores, const float *anchors,
                                      float *boxes, float *classes, float *rated, float *total,
                                      struct tinyc_box *decoded, float *best, uint8_t *active,
                                      int32_t *found, const struct tinyc_detection *d)
{
    const int32_t most = d->detections * d->classes_each;
    int32_t count = 0;

    memset(boxes, 0, (size_t)most * sizeof(*decoded));
    memset(classes, 0, (size_t)most * sizeof(*classes));
    memset(rated, 0, (size_t)most * sizeof(*rated));
    scores += d->offset;
    for (int32_t i = 0; i < d->boxes; i++) {
        const float *const rates = scores + i * d->stride;
        tinyc_top_k_f32(rates, &best[i], found, 1, d->classes, 1);
        active[i] = best[i] >= d->least_score;
        if (active[i]) {
            decoded[i] = tinyc_decode_box(codes + i * d->code_size, anchors + 4 * i, d->scales);
        }
    }
    if (d->per_class == 0) {
        for (; count < d->detections; count++) {
            const int32_t box = tinyc_survivor(decoded, best, 1, active, d);
            if (box < 0) {
                break;
            }
            const int32_t first = count * d->classes_each;
            const int32_t given = d->classes_each < d->classes ? d->classes_each : d->classes;
            tinyc_top_k_f32(scores + box * d->stride, rated + first, found, 1, d->classes, given);
            for (int32_t i = 0; i < given; i++) {
                memcpy(boxes + 4 * (first + i), &decoded[box], sizeof(*decoded));
                classes[first + i] = (float)found[i];
            }
        }
    } else {
        for (int32_t label = 0; label < d->classes; label++) {
            for (int32_t i = 0; i < d->boxes; i++) {
                active[i] = scores[i * d->stride + label] >= d->least_score;
            }
            for (int32_t i = 0; i < d->per_class; i++) {
                const int32_t box = tinyc_survivor(decoded, scores + label, d->stride, active, d);
                if (box < 0) {
                    break;
                }
                count = tinyc_rank_detection(classes, rated, found, count, d->detections, box,
                                             (float)label, scores[box * d->stride + label]);
            }
        }
        for (int32_t i = 0; i < count; i++) {
            memcpy(boxes + 4 * i, &decoded[found[i]], sizeof(*decoded));
        }
    }
    *total = (float)count;
}

#endif
