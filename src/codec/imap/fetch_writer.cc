#include "codec/imap/fetch_writer.h"

#include "codec/imap/detail/flags_out.h"
#include "codec/imap/detail/wire.h"

namespace ph::imap {

using detail::append_number;

FetchWriter::FetchWriter(std::string& out, uint32_t number) : out_(out) {
  out_ += "* ";
  append_number(out_, number);
  out_ += " FETCH (";
}

void FetchWriter::next_item() {
  if (!first_) out_ += ' ';
  first_ = false;
}

void FetchWriter::uid(uint32_t value) {
  next_item();
  out_ += "UID ";
  append_number(out_, value);
}

void FetchWriter::flags(const FlagSet& flags) {
  next_item();
  out_ += "FLAGS ";
  detail::append_flags(out_, flags);
}

void FetchWriter::internal_date(const DateTime& when) {
  next_item();
  out_ += "INTERNALDATE \"";
  append_date_time(out_, when);
  out_ += '"';
}

void FetchWriter::rfc822_size(uint64_t octets) {
  next_item();
  out_ += "RFC822.SIZE ";
  append_number(out_, octets);
}

void FetchWriter::modseq(uint64_t value) {
  next_item();
  out_ += "MODSEQ (";
  append_number(out_, value);
  out_ += ')';
}

void FetchWriter::envelope(const mime::Envelope& envelope) {
  next_item();
  out_ += "ENVELOPE ";
  append_envelope(out_, envelope);
}

void FetchWriter::body(const mime::BodyStructure& structure) {
  next_item();
  out_ += "BODY ";
  append_structure(out_, structure, StructureForm::basic);
}

void FetchWriter::body_structure(const mime::BodyStructure& structure) {
  next_item();
  out_ += "BODYSTRUCTURE ";
  append_structure(out_, structure, StructureForm::extended);
}

void FetchWriter::section(const FetchItem& item, std::string_view octets) {
  literal_header(item, octets.size());
  out_ += octets;
}

void FetchWriter::literal_header(const FetchItem& item, uint64_t size) {
  next_item();
  append_name(out_, item);
  // Only literal8 may hold NUL (RFC 3516 section 4.2).
  out_ += item.kind == FetchKind::binary ? " ~{" : " {";
  append_number(out_, size);
  out_ += "}\r\n";
}

void FetchWriter::section_nil(const FetchItem& item) {
  next_item();
  append_name(out_, item);
  out_ += " NIL";
}

void FetchWriter::binary_size(const FetchItem& item, uint64_t octets) {
  next_item();
  append_name(out_, item);
  out_ += ' ';
  append_number(out_, octets);
}

void FetchWriter::end() { out_ += ")\r\n"; }

}  // namespace ph::imap
