// Work that is done as a graph from the second time on (backend/cuda/replays.h).
#include "both_sides.h"

namespace cola::test {
namespace {

using CudaReplays = CudaTest;

/// Of other rows each time: an embedding, and a product with what it gave.
class Work {
 public:
  explicit Work(ops::Backend& backend)
      : side(backend),
        table_(side.random(DType::f32, 10, 40)),
        weight_(side.random(DType::f32, 24, 40)),
        rows_(side.random(DType::f32, 3, 40)),
        product_(side.random(DType::f32, 3, 24)) {}

  void run(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& added) {
    side.context.backend().repeatable(side.context, "work", 3, [&] {
      ops::embedding_forward(side.context, table_, ids, rows_);
      ops::embedding_forward(side.context, table_, added, rows_, ops::Write::add);
      ops::linear_forward(side.context, rows_, weight_, {}, {}, product_);
    });
    side.result("product", product_, {1e-5, 1e-5});
  }

  Side side;

 private:
  MatrixView table_, weight_, rows_, product_;
};

TEST_F(CudaReplays, DoTheSameWorkOnOtherArrays) {
  Work expected(ops::cpu_backend());
  Work actual(*cuda_);
  for (Work* work : {&expected, &actual}) {
    // The same work each time; then two arrays that are one, which is other work; then the first again.
    work->run({3, 0, 9}, {1, 2, 3});
    work->run({4, 4, 4}, {9, 8, 7});
    work->run({5, 6, 7}, {0, 0, 1});
    work->run({5, 6, 7}, {5, 6, 7});
    work->run({2, 2, 9}, {2, 2, 9});
    work->run({1, 8, 8}, {1, 8, 8});
    work->run({8, 1, 0}, {7, 5, 3});
  }
  ASSERT_EQ(actual.side.results.size(), expected.side.results.size());
  for (std::size_t i = 0; i < expected.side.results.size(); ++i)
    expect_close(actual.side.results[i], expected.side.results[i]);
  EXPECT_EQ(actual.side.context.flops(), expected.side.context.flops());
}

}  // namespace
}  // namespace cola::test
