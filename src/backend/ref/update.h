#pragma once
#include <cmath>
#include <cstddef>

// One element of each optimizer update, as PyTorch's documentation writes the algorithm (torch.optim.AdamW,
// SGD and Adagrad), on any number type.
namespace cola::ref {

template <class Number>
struct AdamWElement {
  Number parameter, m, v;
};

template <class Number>
AdamWElement<Number> adamw(AdamWElement<Number> element, Number gradient, double learning_rate, double beta1,
                           double beta2, double epsilon, double weight_decay, int step) {
  using std::sqrt;
  element.parameter -= learning_rate * weight_decay * element.parameter;
  element.m = beta1 * element.m + (1.0 - beta1) * gradient;
  element.v = beta2 * element.v + (1.0 - beta2) * gradient * gradient;
  const Number m_hat = element.m / (1.0 - std::pow(beta1, step));
  const Number v_hat = element.v / (1.0 - std::pow(beta2, step));
  element.parameter -= learning_rate * m_hat / (sqrt(v_hat) + epsilon);
  return element;
}

template <class Number>
struct SgdElement {
  Number parameter, buffer;
};

template <class Number>
SgdElement<Number> sgd(SgdElement<Number> element, Number gradient, double learning_rate, double momentum,
                       double weight_decay, int step) {
  gradient += weight_decay * element.parameter;
  element.buffer = step > 1 ? momentum * element.buffer + gradient : gradient;
  element.parameter -= learning_rate * (momentum != 0.0 ? element.buffer : gradient);
  return element;
}

template <class Number>
struct AdagradElement {
  Number parameter, sum;
};

template <class Number>
AdagradElement<Number> adagrad(AdagradElement<Number> element, Number gradient, double learning_rate,
                               double epsilon, double weight_decay) {
  using std::sqrt;
  gradient += weight_decay * element.parameter;
  element.sum += gradient * gradient;
  element.parameter -= learning_rate * gradient / (sqrt(element.sum) + epsilon);
  return element;
}

}  // namespace cola::ref
