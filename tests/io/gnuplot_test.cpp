#include "io/gnuplot.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"
#include "io/files.h"
#include "support/files.h"

namespace cola {
namespace {

bool gnuplot_is_there() {
  try {
    require_gnuplot();
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// PATH while the object lives.
class SearchPath {
 public:
  explicit SearchPath(const std::string& path) : before_(std::getenv("PATH")) { set(path); }
  ~SearchPath() { set(before_); }
  SearchPath(const SearchPath&) = delete;
  SearchPath& operator=(const SearchPath&) = delete;

 private:
  static void set(const std::string& path) { ::setenv("PATH", path.c_str(), 1); }
  std::string before_;
};

TEST(Gnuplot, DrawsAnSvg) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TemporaryFolder folder;
  const auto file = folder / "it's $HOME; a plot.svg";  // no shell and no script sees the name
  write_svg_plot("set terminal svg size 200,100\nplot x title 'diagonal'\n", file);
  const std::string svg = read_text_file(file);
  EXPECT_NE(svg.find("<svg"), std::string::npos);
  EXPECT_NE(svg.find("diagonal"), std::string::npos);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
}

TEST(Gnuplot, AWrongScriptLeavesTheOldFile) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TemporaryFolder folder;
  write_text_file(folder / "plot.svg", "old");
  try {
    write_svg_plot("set terminal svg\nplot nonsense(\n", folder / "plot.svg");
    FAIL() << "a wrong script was drawn";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("plot.svg"), std::string::npos) << error.what();
  }
  EXPECT_EQ(read_text_file(folder / "plot.svg"), "old");
}

TEST(Gnuplot, SaysWhatToInstall) {
  const test::TemporaryFolder folder;
  const SearchPath path(folder.path().string());  // an empty folder
  try {
    write_svg_plot("set terminal svg\nplot x\n", folder / "plot.svg");
    FAIL() << "gnuplot was found in an empty folder";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("install gnuplot-nox"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "plot.svg"));
}

}  // namespace
}  // namespace cola
