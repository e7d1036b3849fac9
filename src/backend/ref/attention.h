#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// Slow, obvious versions of backend/attention.h on dense matrices of Number = double or std::complex<double>
// (comparisons look at the real part): what tests compare with.
namespace cola::ref {

struct AttentionSizes {
  std::size_t heads, kv_heads, head_dim;
  double scale;
  std::size_t window = 0;
  double soft_cap = 0.0;

  [[nodiscard]] std::size_t query_index(std::size_t row, std::size_t head) const {
    return (row * heads + head) * head_dim;
  }
  [[nodiscard]] std::size_t key_index(std::size_t row, std::size_t head) const {
    return (row * kv_heads + head / (heads / kv_heads)) * head_dim;
  }
};

template <class Number>
Number dot(std::span<const Number> a, std::size_t a_begin, std::span<const Number> b, std::size_t b_begin,
           std::size_t count) {
  Number sum{};
  for (std::size_t i = 0; i < count; ++i) sum += a[a_begin + i] * b[b_begin + i];
  return sum;
}

/// A query and the rows of the keys that it sees: its sequence's prefix, then its own up to itself; of these,
/// with a window, the last.
struct AttentionQuery {
  std::size_t row;
  std::vector<std::size_t> keys;
};

/// Every query of a batch. prefixes [S], or empty where no sequence has one. window 0: none.
inline std::vector<AttentionQuery> attention_queries(std::span<const std::int32_t> offsets,
                                                     std::span<const std::int32_t> prefixes,
                                                     std::size_t window) {
  std::vector<AttentionQuery> queries;
  const auto offset = [&](std::size_t s) { return static_cast<std::size_t>(offsets[s]); };
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    std::vector<std::size_t> keys;
    if (!prefixes.empty() && prefixes[s] >= 0) {
      const auto prefix = static_cast<std::size_t>(prefixes[s]);
      for (std::size_t row = offset(prefix); row < offset(prefix + 1); ++row) keys.push_back(row);
    }
    for (std::size_t row = offset(s); row < offset(s + 1); ++row) {
      keys.push_back(row);
      while (window > 0 && keys.size() > window) keys.erase(keys.begin());
      queries.push_back({row, keys});
    }
  }
  return queries;
}

/// Softmax weights of one query over its keys, what a soft cap multiplies their scores' gradients by, and
/// their log-sum-exp.
template <class Number>
struct AttentionWeights {
  std::vector<Number> weights, slopes;
  Number log_sum_exp;
};
template <class Number>
AttentionWeights<Number> attention_weights(const AttentionSizes& sizes, std::span<const Number> q,
                                           std::span<const Number> k, const AttentionQuery& query,
                                           std::size_t head) {
  using std::exp;
  using std::log;
  using std::tanh;
  AttentionWeights<Number> result;
  double largest = -INFINITY;
  for (const std::size_t key : query.keys) {
    Number score = sizes.scale *
                   dot(q, sizes.query_index(query.row, head), k, sizes.key_index(key, head), sizes.head_dim);
    Number slope = 1.0;
    if (sizes.soft_cap > 0.0) {
      const Number ratio = tanh(score / sizes.soft_cap);
      score = sizes.soft_cap * ratio;
      slope = 1.0 - ratio * ratio;
    }
    result.weights.push_back(score);
    result.slopes.push_back(slope);
    largest = std::max(largest, std::real(result.weights.back()));
  }
  Number total{};
  for (Number& weight : result.weights) total += weight = exp(weight - largest);
  for (Number& weight : result.weights) weight /= total;
  result.log_sum_exp = largest + log(total);
  return result;
}

template <class Number>
struct AttentionResult {
  std::vector<Number> out, log_sum_exp;
};

template <class Number>
AttentionResult<Number> attention_forward(const AttentionSizes& sizes, std::span<const std::int32_t> offsets,
                                          std::span<const std::int32_t> prefixes, std::span<const Number> q,
                                          std::span<const Number> k, std::span<const Number> v) {
  AttentionResult<Number> result{std::vector<Number>(q.size()),
                                 std::vector<Number>(q.size() / sizes.head_dim)};
  for (const AttentionQuery& query : attention_queries(offsets, prefixes, sizes.window)) {
    for (std::size_t head = 0; head < sizes.heads; ++head) {
      const auto [weights, slopes, log_sum_exp] = attention_weights(sizes, q, k, query, head);
      result.log_sum_exp[query.row * sizes.heads + head] = log_sum_exp;
      for (std::size_t j = 0; j < weights.size(); ++j) {
        for (std::size_t i = 0; i < sizes.head_dim; ++i) {
          result.out[sizes.query_index(query.row, head) + i] +=
              weights[j] * v[sizes.key_index(query.keys[j], head) + i];
        }
      }
    }
  }
  return result;
}

template <class Number>
struct AttentionGradients {
  std::vector<Number> dq, dk, dv;
};

template <class Number>
AttentionGradients<Number> attention_backward(const AttentionSizes& sizes,
                                              std::span<const std::int32_t> offsets,
                                              std::span<const std::int32_t> prefixes,
                                              std::span<const Number> dout, std::span<const Number> q,
                                              std::span<const Number> k, std::span<const Number> v) {
  AttentionGradients<Number> result{std::vector<Number>(q.size()), std::vector<Number>(k.size()),
                                    std::vector<Number>(v.size())};
  for (const AttentionQuery& at : attention_queries(offsets, prefixes, sizes.window)) {
    for (std::size_t head = 0; head < sizes.heads; ++head) {
      const auto [weights, slopes, log_sum_exp] = attention_weights(sizes, q, k, at, head);
      const std::size_t query = sizes.query_index(at.row, head);
      std::vector<Number> dweights;
      Number mean{};  // of dweights under the weights
      for (std::size_t j = 0; j < weights.size(); ++j) {
        dweights.push_back(dot(dout, query, v, sizes.key_index(at.keys[j], head), sizes.head_dim));
        mean += weights[j] * dweights[j];
      }
      for (std::size_t j = 0; j < weights.size(); ++j) {
        const Number dscore = sizes.scale * slopes[j] * weights[j] * (dweights[j] - mean);
        const std::size_t key = sizes.key_index(at.keys[j], head);
        for (std::size_t i = 0; i < sizes.head_dim; ++i) {
          result.dq[query + i] += dscore * k[key + i];
          result.dk[key + i] += dscore * q[query + i];
          result.dv[key + i] += weights[j] * dout[query + i];
        }
      }
    }
  }
  return result;
}

}  // namespace cola::ref
