#include "text/jinja/template.h"

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace cola::jinja {

Template::Template(std::string_view source) : syntax_(std::make_unique<const Syntax>(parse(source))) {}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

Rendered Template::render(const Dict& variables, const RenderOptions& options) const {
  return Interpreter(*syntax_, variables, options).run();
}

bool Template::has_generation_blocks() const { return syntax_->has_generation_blocks; }

}  // namespace cola::jinja
