#include <cola/cola.h>

#include <iostream>

int main(int, char** arguments) {
  cola::LanguageModel model({.model = arguments[1]});
  const cola::EvaluateResult result = model.evaluate(arguments[2]);
  std::cout << "cola " << cola::version() << ": loss " << result.loss << " over " << result.loss_tokens
            << " tokens\n";
}
