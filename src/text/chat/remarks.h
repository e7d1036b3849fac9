#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace cola {

/// What a template did to a message that changes what is trained.
struct ChatRemark {
  std::string_view what;  ///< one of a few fixed phrases, by which remarks are counted
  std::size_t message = 0;
  std::string text;  ///< concerned, or its beginning; may be empty
};

/// The template writes a list of parts with its keys, as Python prints it or as JSON.
inline constexpr std::string_view parts_are_printed =
    "has a content that the template prints as a list of parts";

[[nodiscard]] ChatRemark make_remark(std::string_view what, std::size_t message, std::string_view text = {});

/// "message 3 is left out by the template: "Be brief."", counted from 1.
[[nodiscard]] std::string describe(const ChatRemark& remark);

/// What of the messages (with_origins) a rendered text lacks or has twice.
[[nodiscard]] std::vector<ChatRemark> remarks_on_missing_text(const std::vector<jinja::Value>& messages,
                                                              const jinja::Text& text);

}  // namespace cola
