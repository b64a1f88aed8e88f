// Runs the student on one picture by TensorFlow Lite Micro: the whole use of it, with exactly the operators it needs.
#include <cstdint>
#include <cstdio>

#include "student_model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {
alignas(16) uint8_t arena[STUDENT_ARENA_BYTES];
uint8_t picture[STUDENT_HEIGHT * STUDENT_WIDTH * STUDENT_CHANNELS];

tflite::MicroInterpreter* student() {
  static tflite::MicroMutableOpResolver<@COUNT@> resolver;
  static tflite::MicroInterpreter* ready = nullptr;
  if (ready != nullptr) return ready;
  if (
@REGISTER@
      false) {
    return nullptr;
  }
  static tflite::MicroInterpreter interpreter(tflite::GetModel(student_model), resolver, arena, sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) return nullptr;
  return ready = &interpreter;
}
}  // namespace

// Bytes of a picture in, one value a class out: nullptr where the interpreter refuses.
extern "C" const int8_t* student_answer(const uint8_t* bytes) {
  tflite::MicroInterpreter* interpreter = student();
  if (interpreter == nullptr) return nullptr;
  student_input_t* input = tflite::GetTensorData<student_input_t>(interpreter->input(0));
  for (int i = 0; i < STUDENT_HEIGHT * STUDENT_WIDTH * STUDENT_CHANNELS; ++i) {
    input[i] = static_cast<student_input_t>(bytes[i] - STUDENT_INPUT_OFFSET);
  }
  if (interpreter->Invoke() != kTfLiteOk) return nullptr;
  return tflite::GetTensorData<int8_t>(interpreter->output(0));
}

int main() {
  // Your camera fills `picture`; here it comes from stdin, or is black where there is none.
  if (fread(picture, 1, sizeof(picture), stdin) != sizeof(picture)) printf("a black picture\n");
  const int8_t* answer = student_answer(picture);
  if (answer == nullptr) return 1;
  int best = 0;
  for (int i = 0; i < STUDENT_CLASSES; ++i) {
    printf("%d ", answer[i]);
    if (answer[i] > answer[best]) best = i;
  }
  printf("\n%s\n", student_labels[best]);
  // STUDENT_ARENA_BYTES may shrink to what is used here.
  printf("arena: %u of %u bytes\n", static_cast<unsigned>(student()->arena_used_bytes()),
         static_cast<unsigned>(sizeof(arena)));
  return 0;
}
