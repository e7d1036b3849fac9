#pragma once
#include <string>

#include "data/dataset.h"
#include "text/chat/format.h"

namespace cola {

/// Throws UsageError beginning with `where` if there is no chat template.
void require_chat_format(const DataOptions& options, const std::string& where);

/// A record's chat as text, with what the template did to it counted in the report. Throws Error beginning
/// with `where`: a role that neither is usual nor stands in the template, what the template refuses, a
/// content that it prints as a list.
[[nodiscard]] TrainedChat render_chat(const ChatFormat& format, ChatInput chat, const std::string& where,
                                      DataReport& report);

/// The same chat up to where an answer begins.
[[nodiscard]] std::string render_chat_prompt(const ChatFormat& format, const ChatInput& chat,
                                             const std::string& where);

}  // namespace cola
