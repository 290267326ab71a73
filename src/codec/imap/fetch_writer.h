// Writes one FETCH response: "* 7 FETCH (UID 9 FLAGS (\Seen))".
//
//   FetchWriter line(out, number);
//   line.uid(9);
//   line.flags(flags);
//   line.end();
//
// Items come out in the order of the calls, as plain appends. For a large body literal_header()
// writes everything up to the octets; the driver then sends exactly that many octets itself (by
// flushing out first) and goes on with the next item or end().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/imap/date.h"
#include "codec/imap/fetch_item.h"
#include "codec/imap/flag_set.h"

namespace ph::mime {
struct Envelope;
struct BodyStructure;
}  // namespace ph::mime

namespace ph::imap {

class FetchWriter {
 public:
  FetchWriter(std::string& out, uint32_t number);

  void uid(uint32_t value);
  void flags(const FlagSet& flags);
  void internal_date(const DateTime& when);
  void rfc822_size(uint64_t octets);
  void modseq(uint64_t value);
  void envelope(const mime::Envelope& envelope);
  void body(const mime::BodyStructure& structure);            // BODY
  void body_structure(const mime::BodyStructure& structure);  // BODYSTRUCTURE

  // Under the name of `item` (append_name): octets, their header only, nothing, or a size.
  void section(const FetchItem& item, std::string_view octets);
  void literal_header(const FetchItem& item, uint64_t size);
  void section_nil(const FetchItem& item);
  void binary_size(const FetchItem& item, uint64_t octets);

  void end();

 private:
  void next_item();

  std::string& out_;
  bool first_ = true;
};

// The parts of the line above that are of use alone: "(NIL "subject" ...)" and so on.
void append_envelope(std::string& out, const mime::Envelope& envelope);
enum class StructureForm : uint8_t { basic, extended };
void append_structure(std::string& out, const mime::BodyStructure& structure, StructureForm form);

}  // namespace ph::imap
