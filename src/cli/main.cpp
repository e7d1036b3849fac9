#include <fmt/format.h>

#include <csignal>
#include <exception>
#include <string>

#include "cli/failure.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "cola/version.h"
#include "core/error.h"

namespace {

int run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) throw cola::UsageError("no command given\nsee cola --help");
    return 0;
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const auto verbs = app.get_subcommands();
    const std::string verb = verbs.empty() ? "" : verbs.front()->get_name() + " ";
    return cola::report({fmt::format("{}\nsee cola {}--help", error.what(), verb), 2});
  } catch (const cola::BrokenPipe&) {
    return 0;
  } catch (const cola::Reported& reported) {
    return reported.exit_status();
  } catch (const std::exception&) {
    return cola::report(cola::current_failure());
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is noticed where output is written
  try {
    CLI::App app("cola: fine-tunes and runs language models: LoRA, chains of LoRA, all weights", "cola");
    app.set_version_flag("--version", "cola " + std::string(cola::version()));
    cola::add_train(app);
    cola::add_eval(app);
    cola::add_generate(app);
    cola::add_chat(app);
    cola::add_inspect(app);
    cola::add_tokenize(app);
    cola::add_template(app);
    cola::add_init(app);
    cola::add_merge(app);
    cola::add_demo(app);
    cola::add_sweep(app);
    cola::add_theory(app);
    cola::add_flops(app);
    cola::add_report(app);
    cola::add_export(app);
    cola::add_bench(app);
    return run(app, argc, argv);
  } catch (const std::exception&) {
    return cola::report(cola::current_failure());
  }
}
