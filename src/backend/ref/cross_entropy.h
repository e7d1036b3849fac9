#pragma once
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/cross_entropy.h"
#include "backend/ref/linear.h"

// Slow, obvious versions of backend/cross_entropy.h on any number type; matrices are dense, row-major
// vectors.
namespace cola::ref {

struct CrossEntropySizes {
  std::size_t rows, hidden, vocabulary;  ///< L, D, V
};

/// softmax of each row of logits [L, V]; the shift is the largest real part.
template <class Number>
std::vector<Number> softmax(const std::vector<Number>& logits, std::size_t rows, std::size_t cols) {
  using std::exp;
  std::vector<Number> result(logits.size());
  for (std::size_t row = 0; row < rows; ++row) {
    double largest = std::real(logits[row * cols]);
    for (std::size_t i = 0; i < cols; ++i) largest = std::max(largest, std::real(logits[row * cols + i]));
    Number sum(0);
    for (std::size_t i = 0; i < cols; ++i) sum += exp(logits[row * cols + i] - largest);
    for (std::size_t i = 0; i < cols; ++i)
      result[row * cols + i] = exp(logits[row * cols + i] - largest) / sum;
  }
  return result;
}

template <class Number>
std::vector<Number> transform_logits(const ops::LogitTransform& transform, std::vector<Number> logits) {
  using std::tanh;
  const auto cap = static_cast<double>(transform.soft_cap);
  for (Number& logit : logits) {
    logit *= static_cast<double>(transform.scale);
    if (cap != 0.0) logit = cap * tanh(logit / cap);
  }
  return logits;
}

/// The gradient with respect to the logits from the one with respect to what transform_logits made of them.
template <class Number>
std::vector<Number> transform_logits_backward(const ops::LogitTransform& transform,
                                              std::vector<Number> gradient,
                                              const std::vector<Number>& transformed) {
  const auto cap = static_cast<double>(transform.soft_cap);
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    gradient[i] *= static_cast<double>(transform.scale);
    if (cap != 0.0) gradient[i] *= 1.0 - transformed[i] / cap * (transformed[i] / cap);
  }
  return gradient;
}

/// nll [L] of logits [L, V].
template <class Number>
std::vector<Number> negative_log_likelihoods(const std::vector<Number>& logits,
                                             const std::vector<std::int32_t>& targets) {
  using std::exp;
  using std::log;
  const std::size_t vocabulary = targets.empty() ? 0 : logits.size() / targets.size();
  std::vector<Number> nll(targets.size());
  for (std::size_t row = 0; row < targets.size(); ++row) {
    const Number* logit = logits.data() + row * vocabulary;
    double largest = std::real(logit[0]);
    for (std::size_t i = 0; i < vocabulary; ++i) largest = std::max(largest, std::real(logit[i]));
    Number sum(0);
    for (std::size_t i = 0; i < vocabulary; ++i) sum += exp(logit[i] - largest);
    nll[row] = largest + log(sum) - logit[targets[row]];
  }
  return nll;
}

/// The gradient of the sum of weights[i] * nll[i] with respect to logits [L, V].
template <class Number>
std::vector<Number> logit_gradient(const std::vector<Number>& logits,
                                   const std::vector<std::int32_t>& targets,
                                   const std::vector<double>& weights) {
  const std::size_t vocabulary = targets.empty() ? 0 : logits.size() / targets.size();
  std::vector<Number> gradient = softmax(logits, targets.size(), vocabulary);
  for (std::size_t row = 0; row < targets.size(); ++row) {
    Number* values = gradient.data() + row * vocabulary;
    values[targets[row]] -= 1.0;
    for (std::size_t i = 0; i < vocabulary; ++i) values[i] *= weights[row];
  }
  return gradient;
}

/// nll [L].
template <class Number>
std::vector<Number> cross_entropy_forward(const CrossEntropySizes& size, const std::vector<Number>& hidden,
                                          const std::vector<Number>& head,
                                          const std::vector<std::int32_t>& targets) {
  return negative_log_likelihoods(linear_forward(hidden, head, {}, size.rows, size.vocabulary, size.hidden),
                                  targets);
}

template <class Number>
struct CrossEntropyGradient {
  std::vector<Number> dhidden;  ///< [L, D]
  std::vector<Number> dhead;    ///< [V, D]
};

/// The gradient of the sum of weights[i] * nll[i].
template <class Number>
CrossEntropyGradient<Number> cross_entropy_backward(const CrossEntropySizes& size,
                                                    const std::vector<Number>& hidden,
                                                    const std::vector<Number>& head,
                                                    const std::vector<std::int32_t>& targets,
                                                    const std::vector<double>& weights) {
  const std::vector<Number> gradient = logit_gradient(
      linear_forward(hidden, head, {}, size.rows, size.vocabulary, size.hidden), targets, weights);
  return {linear_backward_input(gradient, head, size.rows, size.vocabulary, size.hidden),
          linear_backward_weight(gradient, hidden, size.rows, size.vocabulary, size.hidden)};
}

}  // namespace cola::ref
