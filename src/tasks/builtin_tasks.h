#pragma once
#include "tasks/task.h"

namespace cola {

// The paper's tasks, one source file each: their official files, and MeZO's prompts (princeton-nlp/MeZO,
// large_models/templates.py).

[[nodiscard]] Task sst2_task();
[[nodiscard]] Task rte_task();
[[nodiscard]] Task cb_task();
[[nodiscard]] Task boolq_task();
[[nodiscard]] Task wsc_task();
[[nodiscard]] Task wic_task();
[[nodiscard]] Task multirc_task();
[[nodiscard]] Task copa_task();
[[nodiscard]] Task record_task();
[[nodiscard]] Task squad_task();
[[nodiscard]] Task drop_task();

}  // namespace cola
