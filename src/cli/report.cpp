// cola report
#include "report/report.h"

#include <fmt/format.h>

#include <memory>

#include "cli/output.h"
#include "cli/verbs.h"

namespace cola {
namespace {

struct ReportVerb {
  std::vector<std::string> inputs;
  std::string out = "report.html";
  bool json = false;
};

void run_report_verb(const ReportVerb& verb) {
  const ReportResult result =
      write_report(std::vector<std::filesystem::path>(verb.inputs.begin(), verb.inputs.end()), verb.out);
  if (verb.json) {
    print_json({{"report", result.page.string()},
                {"plots", result.plots.string()},
                {"plot_count", result.plot_count},
                {"runs", result.run_count},
                {"bytes", result.bytes}});
    return;
  }
  print(fmt::format("report: {}\nplots: {} in {}\n", result.page.string(), result.plot_count,
                    result.plots.string()));
}

}  // namespace

void add_report(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("report", "plots and tables of runs or of a sweep as one HTML page");
  const auto state = std::make_shared<ReportVerb>();
  verb.add_option("inputs", state->inputs, "run folders, or one sweep folder")->type_name("RUN")->required();
  verb.add_option("--out", state->out, "page to write; its plots go beside it, to NAME_files/NAME.svg")
      ->type_name("FILE")
      ->capture_default_str();
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state] { run_report_verb(*state); });
}

}  // namespace cola
