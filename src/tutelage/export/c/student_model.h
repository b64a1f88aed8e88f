/* A student of tutelage for TensorFlow Lite Micro: @WIDTH@ x @HEIGHT@ pixels (@COLOURS@), @CLASSES@ classes.
 * Made by `tutelage export --format mcu`; edit the recipe, not this file. */
#ifndef STUDENT_MODEL_H_
#define STUDENT_MODEL_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STUDENT_MODEL_BYTES @BYTES@
/* For MicroInterpreter: measured with 64-bit pointers, and a margin. A 32-bit controller needs less. */
#define STUDENT_ARENA_BYTES @ARENA@

/* The input: rows from the top, pixels from the left, @COLOURS@. Take the largest centred part of the picture that has
 * these proportions and resize it, antialiased. */
#define STUDENT_HEIGHT @HEIGHT@
#define STUDENT_WIDTH @WIDTH@
#define STUDENT_CHANNELS @CHANNELS@
typedef @ELEMENT@ student_input_t;
/* An element is a byte of the picture less this. Normalisation is inside the model. */
#define STUDENT_INPUT_OFFSET @OFFSET@
#define STUDENT_INPUT_SCALE @INPUT_SCALE@
#define STUDENT_INPUT_ZERO_POINT (@INPUT_ZERO@)

/* The output: one int8 a class; (value - zero point) * scale is its logit, or its
 * probability where STUDENT_OUTPUT_IS_PROBABILITY is 1. */
#define STUDENT_CLASSES @CLASSES@
#define STUDENT_OUTPUT_SCALE @OUTPUT_SCALE@
#define STUDENT_OUTPUT_ZERO_POINT (@OUTPUT_ZERO@)
#define STUDENT_OUTPUT_IS_PROBABILITY @PROBABILITIES@

extern const unsigned char student_model[STUDENT_MODEL_BYTES];
/* UTF-8. */
extern const char *const student_labels[STUDENT_CLASSES];

#ifdef __cplusplus
}
#endif

#endif /* STUDENT_MODEL_H_ */
