#pragma once
#include <string>

#include "io/json.h"

namespace cola {

enum class RecordForm : unsigned char { text, completion, chat, tokens, instruction };

/// Throws Error naming the key if the record has one that other programs act on and that is not read in this
/// form, with a value that says something (not null, false, or empty). Other keys are columns of a data set,
/// and pass.
void refuse_unread_keys(const JsonReader& record, RecordForm form);
/// The same for one message of a chat.
void refuse_unread_message_keys(const JsonReader& message);

/// What `weight`, `train`, `training` and `loss` say of a record or a message: its weight in the loss, 1 by
/// default, 0 where it is not to be trained. Throws Error naming the key: a weight that is no number,
/// negative or outside f32's normal range, or the others neither true nor false.
[[nodiscard]] float read_weight(const JsonReader& object);

}  // namespace cola
