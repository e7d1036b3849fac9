// The page in a real browser, at a phone's and a desktop's width.
#include <gtest/gtest.h>

#include <cstdlib>

#include "report/report.h"
#include "report/report_fixture.h"
#include "support/files.h"

namespace cola {
namespace {

using test::count;

/// The page's DOM after its scripts ran, in headless Chromium without a network.
std::string dom_of(const std::filesystem::path& page, const std::filesystem::path& scratch) {
  const std::string command = fmt::format(
      "timeout 50 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
      "--user-data-dir='{0}/profile' --host-resolver-rules='MAP * ~NOTFOUND' --no-first-run "
      "--allow-file-access-from-files --virtual-time-budget=3000 --window-size=1280,900 "
      "--dump-dom 'file://{1}' >'{0}/dom' 2>'{0}/browser-errors'",
      scratch.string(), page.string());
  EXPECT_EQ(std::system(command.c_str()), 0)  // NOLINT(cert-env33-c): the test's own paths
      << read_text_file(scratch / "browser-errors");
  return read_text_file(scratch / "dom");
}

/// What the browser says of the page out.html in the folder, in frames of a phone's and a desktop's width.
std::string measured(const std::filesystem::path& folder) {
  // A page around it measures it: frames of a phone's and a desktop's width.
  write_text_file(folder / "check.html", R"(<!DOCTYPE html><title>not measured</title>
<iframe id="phone" src="out.html" style="width:390px;height:800px;border:0"></iframe>
<iframe id="desktop" src="out.html" style="width:1280px;height:800px;border:0"></iframe>
<script>
window.onload = () => {
  const lines = ['phone', 'desktop'].map(id => {
    const frame = document.getElementById(id).contentWindow, page = frame.document;
    const seen = query => [...page.querySelectorAll(query)].filter(e => {
      const box = e.getBoundingClientRect();
      return box.width > 100 && box.height > 40 && box.left >= 0 && (query !== 'svg' || box.right <= frame.innerWidth);
    }).length;
    const fits = page.documentElement.scrollWidth <= frame.innerWidth;
    const outside = frame.performance.getEntriesByType('resource').length;
    const scroll = [...page.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth);
    const plots = seen('svg'), tables = seen('table');
    scroll.forEach(e => { e.scrollLeft = 200; });
    const keys = scroll.map(e => e.querySelector('td.key')).filter(e => e);
    const stay = keys.every(e => e.getBoundingClientRect().left <= e.closest('.scroll').getBoundingClientRect().left + 2);
    return `${id}: sideways ${id === 'phone' ? scroll.length > 0 : scroll.length} stay ${stay} fits ${fits} plots ${plots} tables ${tables} outside ${outside}.`;
  });
  document.title = lines.join(' ');
};
</script>
)");
  return dom_of(folder / "check.html", folder);
}

class Browser : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("chromium --version >/dev/null 2>&1") != 0)  // NOLINT(cert-env33-c)
      GTEST_SKIP() << "chromium is not installed";
    if (!test::gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  }
  void expect_all_seen(int tables) const {
    const auto result = write_report({folder / "sweep"}, folder / "out.html");
    const std::string dom = measured(folder.path());
    const std::string expected =
        fmt::format("fits true plots {} tables {} outside 0.", result.plot_count, tables);
    EXPECT_NE(dom.find("phone: sideways true stay true " + expected), std::string::npos) << dom;
    EXPECT_NE(dom.find("desktop: sideways 0 stay true " + expected), std::string::npos) << dom;
  }
  const test::TemporaryFolder folder;
};

TEST_F(Browser, ShowsEveryPlotAndTableWithoutSidewaysScrolling) {
  test::write_results(folder / "sweep", test::results_of_today());
  test::write_run(folder / "sweep" / "trials" / "lora-0", 40, 1.0);
  test::write_run(folder / "sweep" / "trials" / "lora-1", 40, 2.0);
  expect_all_seen(7);
}

TEST_F(Browser, ShowsSweepsOfBefore) {
  test::write_sweep(folder / "sweep");
  expect_all_seen(5);
}

}  // namespace
}  // namespace cola
