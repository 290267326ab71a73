#include "cli/flows.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "admin/control.h"
#include "base/digest.h"
#include "base/text.h"

namespace ph::cli {
namespace {

namespace fs = std::filesystem;

constexpr ErrorKind kFile{"cli", "file", Disposition::permanent};
constexpr size_t kPage = 1000;
constexpr uint64_t kMessageMax = 1024ULL * 1024 * 1024;

void add_up(Json& sum, const Json& one) {
  for (const char* name : {"looked_at", "matched", "messages", "changed", "refused"}) {
    sum[name] = sum.value(name, uint64_t{0}) + one.value(name, uint64_t{0});
  }
  if (one.value("refusal", "") != "" || !sum.contains("refusal")) sum["refusal"] = one["refusal"];
  sum["dry_run"] = one["dry_run"];
  Json& after = sum["after"];
  if (after.is_null()) after = Json::array();
  for (const Json& count : one["after"]) {
    const auto at = std::ranges::find_if(after, [&count](const Json& c) {
      return c["state"] == count["state"] && c["reason"] == count["reason"];
    });
    if (at == after.end()) {
      after.push_back(count);
    } else {
      (*at)["count"] = (*at)["count"].get<uint64_t>() + count["count"].get<uint64_t>();
    }
  }
}

// ---- files ----

Result<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  if (in && in.peek() != std::ifstream::traits_type::eof()) out << in.rdbuf();
  if (!in) return fail(kFile, "cannot read " + path.string());
  return std::move(out).str();
}

// Beside it first: a file with its name is whole.
Status write_file(const fs::path& path, std::string_view octets) {
  const fs::path part = path.string() + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  out.write(octets.data(), static_cast<std::streamsize>(octets.size()));
  out.close();
  std::error_code failed;
  if (out) fs::rename(part, path, failed);
  if (!out || failed) return fail(kFile, "cannot write " + path.string());
  return {};
}

// Lines of a file that was made here end with LF alone, those of a message with CRLF.
std::string with_crlf(std::string text) {
  if (text.find("\r\n") != std::string::npos) return text;
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

rt::Task<Result<std::string>> fetch(Link& link, std::string id, uint64_t size) {
  std::string octets;
  if (size > kMessageMax) co_return fail(kFile, id + " is too large");
  while (octets.size() < size) {
    const Json args{{"id", id}, {"offset", octets.size()}};
    PH_CO_TRY(const Json piece, co_await link.ask("queue.content", args));
    const auto data = base64_decode(piece.value("data", ""));
    if (!data.has_value() || data->empty()) co_return fail(kFile, id + " is cut short");
    octets += *data;
  }
  co_return std::move(octets);
}

rt::Task<Result<Json>> export_one(Link& link, std::string id, std::string folder) {
  const Json named{{"id", id}};
  PH_CO_TRY(Json envelope, co_await link.ask("queue.export", named));
  const std::string octets_name = envelope.value("id", id) + ".eml";
  PH_CO_TRY(const std::string octets,
            co_await fetch(link, id, envelope.value("size", uint64_t{0})));
  if (hex_encode(as_text(sha256(octets))) != envelope.value("sha256", "")) {
    co_return fail(kFile, "the octets of " + id + " are not those that the queue keeps");
  }
  const fs::path to(folder);
  PH_CO_TRY_STATUS(write_file(to / octets_name, octets));
  const std::string text = envelope.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  PH_CO_TRY_STATUS(write_file(to / (envelope.value("id", id) + ".json"), text));
  co_return Json{{"id", id}, {"file", (to / octets_name).string()}, {"size", octets.size()}};
}

// The ids of the messages that fit the filter, each once.
rt::Task<Result<std::vector<std::string>>> ids_of(Link& link, Json filter) {
  std::vector<std::string> out;
  filter["limit"] = kPage;
  do {
    PH_CO_TRY(const Json page, co_await link.ask("queue.list", filter));
    for (const Json& row : page["rows"]) {
      std::string id = row.value("id", "");
      if (out.empty() || out.back() != id) out.push_back(std::move(id));
    }
    filter["from"] = page.value("next", "");
  } while (filter["from"] != "");
  co_return std::move(out);
}

// An exported message has its envelope beside it; any other one gets it from the command line.
Result<Json> envelope_beside(const fs::path& path, const Json& args) {
  fs::path beside = path;
  beside.replace_extension(".json");
  std::error_code ignored;
  if (fs::exists(beside, ignored)) {
    PH_TRY(const std::string text, read_file(beside));
    Json out = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!out.is_object()) return fail(kFile, beside.string() + " is no envelope");
    return out;
  }
  if (!args.contains("from") || !args.contains("to")) {
    return fail(kFile, path.string() + " has no envelope beside it: give --from and --to");
  }
  Json recipients = Json::array();
  const std::string to = args["to"];
  for (const std::string_view address : split(to, ',')) {
    recipients.push_back({{"address", trim(address)}});
  }
  const std::string from = args["from"];
  return Json{{"envelope", {{"sender", from == "<>" ? "" : from}, {"origin", "internal"}}},
              {"recipients", std::move(recipients)}};
}

rt::Task<Result<Json>> import_one(Link& link, std::string file, Json args) {
  const fs::path path(file);
  PH_CO_TRY(Json envelope, envelope_beside(path, args));
  PH_CO_TRY(std::string octets, read_file(path));
  if (!envelope.contains("sha256")) octets = with_crlf(std::move(octets));
  const std::string digest = hex_encode(as_text(sha256(octets)));
  if (envelope.value("sha256", digest) != digest) {
    co_return fail(kFile, file + " is not as it was exported");
  }
  envelope["sha256"] = digest;
  envelope["size"] = octets.size();
  PH_CO_TRY(const Json begun, co_await link.ask("queue.import.begin", std::move(envelope)));
  const size_t chunk = begun.value("chunk", size_t{1024});
  for (size_t at = 0; at < octets.size(); at += chunk) {
    const Json piece{{"upload", begun["upload"]},
                     {"offset", at},
                     {"data", base64_encode(std::string_view(octets).substr(at, chunk))}};
    PH_CO_TRY(const Json taken, co_await link.ask("queue.import.data", piece));
    static_cast<void>(taken);  // that it was taken is all there is to know
  }
  const Json last{{"upload", begun["upload"]}};
  PH_CO_TRY(Json done, co_await link.ask("queue.import.finish", last));
  done["file"] = file;
  co_return done;
}

Result<std::vector<std::string>> files_of(const Json& paths) {
  std::vector<std::string> out;
  for (const Json& each : paths) {
    const fs::path path(each.get<std::string>());
    std::error_code failed;
    if (!fs::is_directory(path, failed)) {
      out.push_back(path.string());
      continue;
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(path, failed)) {
      if (entry.path().extension() == ".eml") out.push_back(entry.path().string());
    }
    if (failed) return fail(kFile, "cannot read " + path.string());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

rt::Task<Result<Json>> Link::ask(std::string verb, Json args) {
  admin::Request request{socket_path(options_.data_folder), std::move(verb), options_.who};
  co_return co_await admin::call(runtime_, loop_, std::move(request), args,
                                 loop_.in(admin::kCallMax));
}

rt::Task<Result<Json>> run_bulk(Link& link, Chosen chosen) {
  Json sum = Json::object();
  do {
    PH_CO_TRY(const Json one, co_await link.ask(chosen.verb, chosen.args));
    add_up(sum, one);
    chosen.args["from"] = one.value("next", "");
  } while (chosen.args["from"] != "");
  co_return sum;
}

rt::Task<Result<Json>> run_flush(Link& link, Chosen chosen) {
  Json sum = Json::object();
  for (const char* state : {"waiting_retry", "ready"}) {
    Chosen one = chosen;
    one.args["state"] = state;
    PH_CO_TRY(const Json done, co_await run_bulk(link, std::move(one)));
    add_up(sum, done);
  }
  co_return sum;
}

rt::Task<Result<Json>> run_export(Link& link, Chosen chosen) {
  const std::string folder = chosen.args["folder"];
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) co_return fail(kFile, "cannot make " + folder);
  std::vector<std::string> ids;
  if (!chosen.args["id"].get<std::string>().empty()) {
    ids.push_back(chosen.args["id"]);
  } else {
    PH_CO_TRY(ids, co_await ids_of(link, chosen.args["filter"]));
  }
  Json out = Json::array();
  for (const std::string& id : ids) {
    PH_CO_TRY(Json one, co_await export_one(link, id, folder));
    out.push_back(std::move(one));
  }
  co_return Json{{"exported", std::move(out)}};
}

rt::Task<Result<Json>> run_import(Link& link, Chosen chosen) {
  PH_CO_TRY(const std::vector<std::string> files, files_of(chosen.args["paths"]));
  Json out = Json::array();
  for (const std::string& file : files) {
    PH_CO_TRY(Json one, co_await import_one(link, file, chosen.args));
    out.push_back(std::move(one));
  }
  co_return Json{{"imported", std::move(out)}};
}

}  // namespace ph::cli
