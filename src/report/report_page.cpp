#include "report/report_page.h"

#include <fmt/format.h>

#include "report/report_text.h"

namespace cola {
namespace {

// gnuplot draws axes and text in black; the rest has colours that suit both themes.
constexpr const char* style = R"(<style>
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #ffffff; --soft: #f3f3f5; --line: #d2d2d8; --quiet: #5c5c66; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ec; --paper: #17171a; --soft: #222227; --line: #3c3c44; --quiet: #a2a2ae; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 80rem; background: var(--paper); color: var(--ink);
  font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0 .75rem; color: var(--quiet); }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; padding: .5rem; min-width: 0; border: 1px solid var(--line); border-radius: .5rem; }
figcaption { font-weight: 600; padding: 0 .25rem .25rem; }
figure p { font-size: .8125rem; margin: 0; padding: 0 .25rem .25rem; }
svg { display: block; width: 100%; height: auto; }
svg [stroke="black"] { stroke: var(--ink); }
svg [fill="black"] { fill: var(--ink); }
.scroll { overflow-x: auto; max-width: 100%; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { background: var(--soft); white-space: normal; vertical-align: bottom; overflow-wrap: normal; }
.key { position: sticky; left: 0; z-index: 1; }
td.key { background: var(--paper); box-shadow: 1px 0 var(--line); }
@media (max-width: 40rem) { td.key { white-space: normal; max-width: 9rem; } }
th.text, td.text { text-align: left; }
td.text { overflow-wrap: normal; }
tbody tr:last-child td { border-bottom: 0; }
details { margin: .5rem 0; border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .6rem; }
summary { cursor: pointer; }
pre { overflow-x: auto; overflow-wrap: normal; margin: .5rem 0 0; font-size: .8125rem; background: var(--soft); padding: .5rem;
  border-radius: .25rem; }
</style>
)";

constexpr const char* svg_style = R"(<style>
svg { background: #ffffff; }
@media (prefers-color-scheme: dark) {
  svg { background: #17171a; }
  [stroke="black"] { stroke: #e8e8ec; }
  [fill="black"] { fill: #e8e8ec; }
}
</style>
)";

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// The <svg> element, its ids made the page's own: every plot of gnuplot's has the same.
std::string inline_svg(const DrawnPlot& plot) {
  std::string svg = plot.svg.substr(plot.svg.find("<svg"));
  replace_all(svg, "id='", "id='" + plot.name + "-");
  replace_all(svg, "id=\"", "id=\"" + plot.name + "-");
  replace_all(svg, "href='#", "href='#" + plot.name + "-");
  svg.insert(4, " role=\"img\" aria-label=\"" + html_escaped(plot.heading) + "\"");
  return svg;
}

}  // namespace

std::string standalone_svg(const std::string& svg) {
  std::string text = svg;
  text.insert(text.find('>', text.find("<svg")) + 1, std::string("\n") + svg_style);
  return text;
}

std::string html_page(const ReportPage& page) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n";
  html += "<title>" + html_escaped(page.title) + "</title>\n" + style + "</head>\n<body>\n<header>\n<h1>" +
          html_escaped(page.title) + "</h1>\n<p>" + html_escaped(page.subtitle) + "</p>\n";
  for (const std::string& note : page.notes) html += "<p>" + html_escaped(note) + "</p>\n";
  html += "</header>\n";
  if (!page.plots.empty()) {
    html += "<section id=\"plots\">\n<h2>Plots</h2>\n<div class=\"plots\">\n";
    for (const DrawnPlot& plot : page.plots) {
      html += "<figure><figcaption>" + html_escaped(plot.heading) + "</figcaption>\n";
      if (!plot.note.empty()) html += "<p>" + html_escaped(plot.note) + "</p>\n";
      html += inline_svg(plot) + "</figure>\n";
    }
    html += "</div>\n</section>\n";
  }
  html += page.tables;
  html += "<section id=\"configurations\">\n<h2>Configurations</h2>\n";
  for (const RunReport* run : page.configurations) {
    html += "<details><summary>" + html_escaped(run->name) + "</summary>\n<pre>" + html_escaped(run->config) +
            "</pre></details>\n";
  }
  return html + "</section>\n</body>\n</html>\n";
}

}  // namespace cola
