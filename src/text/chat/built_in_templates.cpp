#include "text/chat/built_in_templates.h"

#include <array>
#include <utility>

namespace cola {
namespace {

constexpr std::string_view llama2 = R"({%- if messages[0]['role'] == 'system' %}
    {%- set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}
    {%- set turns = messages %}
{%- endif %}
{%- for message in turns %}
    {%- if message['role'] == 'user' and loop.index0 % 2 == 0 %}
        {{- bos_token }}
        {{- '[INST] ' + ((system if loop.first else '') + message['content']) | trim + ' [/INST]' }}
    {%- elif message['role'] == 'assistant' and loop.index0 % 2 == 1 %}
        {{- ' ' + message['content'] | trim + ' ' }}
        {{- eos_token }}
    {%- else %}
        {{- raise_exception('after an optional system message, user and assistant take turns') }}
    {%- endif %}
{%- endfor %}
)";

constexpr std::string_view llama3 = R"({{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
)";

constexpr std::string_view chatml = R"({{- bos_token }}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)";

constexpr std::string_view plain = R"({{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {{- 'System: ' + messages[0]['content'] | trim + '\n' }}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{%- for message in turns %}
    {%- if message['role'] == 'user' and loop.index0 % 2 == 0 %}
        {{- ('' if loop.first else '\n') + 'User: ' + message['content'] | trim + '\nAssistant:' }}
    {%- elif message['role'] == 'assistant' and loop.index0 % 2 == 1 %}
        {{- ' ' + message['content'] | trim }}
        {{- eos_token }}
    {%- else %}
        {{- raise_exception('after an optional system message, user and assistant take turns') }}
    {%- endif %}
{%- endfor %}
)";

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> built_in{
    {{"llama2", llama2}, {"llama3", llama3}, {"chatml", chatml}, {"plain", plain}}};

/// Without the line that has `part`.
void remove_line(std::string& text, std::string_view part) {
  const std::size_t found = text.find(part);
  if (found == std::string::npos) return;
  const std::size_t begin = text.rfind('\n', found) + 1;  // 0 in the first line
  text.erase(begin, text.find('\n', found) + 1 - begin);
}

}  // namespace

std::optional<std::string> built_in_chat_template(std::string_view name, bool bos, bool eos) {
  for (const auto& [known, jinja] : built_in) {
    if (name != known) continue;
    std::string text(jinja);
    if (!bos) remove_line(text, "{{- bos_token }}");
    if (!eos) remove_line(text, "{{- eos_token }}");
    return text;
  }
  return std::nullopt;
}

}  // namespace cola
