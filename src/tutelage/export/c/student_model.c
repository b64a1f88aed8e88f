#include "student_model.h"

#if defined(__GNUC__)
__attribute__((aligned(16)))
#endif
const unsigned char student_model[STUDENT_MODEL_BYTES] = {
@DATA@
};

const char *const student_labels[STUDENT_CLASSES] = {
@LABELS@
};
