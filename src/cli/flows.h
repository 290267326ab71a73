// What takes more than one request: commands on many messages, export and import.
#pragma once

#include "cli/cli.h"

namespace ph::cli {

// One running server to ask, as one person.
class Link {
 public:
  Link(rt::Runtime& runtime, rt::Loop& loop, Options options)
      : runtime_(runtime), loop_(loop), options_(std::move(options)) {}
  rt::Task<Result<Json>> ask(std::string verb, Json args);

 private:
  rt::Runtime& runtime_;
  rt::Loop& loop_;
  Options options_;
};

// A command on everything that fits, slice by slice until the end; the sums of the answers.
rt::Task<Result<Json>> run_bulk(Link& link, Chosen chosen);
// Two of them: what waits for its schedule, and what waits for its lane.
rt::Task<Result<Json>> run_flush(Link& link, Chosen chosen);
// Writes <id>.eml and <id>.json for each message named by `ids`, or by the filter, to `folder`.
rt::Task<Result<Json>> run_export(Link& link, Chosen chosen);
// Takes `paths`: folders of exports, exported messages, other messages (with `from` and `to`).
rt::Task<Result<Json>> run_import(Link& link, Chosen chosen);

}  // namespace ph::cli
