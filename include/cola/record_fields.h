#pragma once
#include <string>

namespace cola {

/// Which fields of a data file's records are read, in place of those of the known forms; empty: those.
struct RecordFields {
  std::string prompt;      ///< with the completion: text, or a list of messages
  std::string completion;  ///< likewise; with prompt or prompt_template alone: completion, output or answer
  std::string text;        ///< trained whole
  std::string messages;    ///< a chat
  std::string
      prompt_template;  ///< text of the prompt with {field} for the record's; "{{" and "}}" are braces
};

}  // namespace cola
