// Every command's exact value, in its common and its odd but legal forms, and what is refused.
#include "codec/imap/command.h"

#include <gtest/gtest.h>

#include "codec/imap/detail/transcript.h"
#include "codec/imap/errors.h"

namespace ph::imap {
namespace {

using detail::Transcript;
using detail::TranscriptDriver;

Transcript run(std::string_view input, SessionState state) {
  return TranscriptDriver(EngineOptions{}, state).run(input);
}

SequenceSet set(std::string_view text) { return *SequenceSet::parse(text); }

// The one command that `line` is (CR LF is added), in a state where it is allowed.
template <class T>
T parsed(std::string_view line, SessionState state = SessionState::selected) {
  const Transcript t = run("a1 " + std::string(line) + "\r\n", state);
  EXPECT_EQ(t.events.size(), 1u) << line << "\n" << t.output;
  if (t.events.size() != 1) return {};
  const auto* event = std::get_if<CommandEvent>(&t.events[0]);
  EXPECT_NE(event, nullptr) << line << "\n" << t.output;
  if (event == nullptr) return {};
  EXPECT_EQ(event->tag, "a1");
  EXPECT_TRUE(std::holds_alternative<T>(event->command)) << line;
  const T* command = std::get_if<T>(&event->command);
  return command == nullptr ? T{} : *command;
}

template <class T>
T parsed_early(std::string_view line) {
  return parsed<T>(line, SessionState::not_authenticated);
}

// Why `line` is refused; "" if it is not.
std::string refused(std::string_view line, SessionState state = SessionState::selected) {
  const Transcript t = run("a1 " + std::string(line) + "\r\n", state);
  for (const Event& event : t.events) {
    const auto* rejected = std::get_if<Rejected>(&event);
    if (rejected == nullptr) continue;
    EXPECT_EQ(rejected->tag, "a1");
    EXPECT_TRUE(t.output.ends_with("a1 BAD " + rejected->text + "\r\n")) << t.output;
    return rejected->text;
  }
  return "";
}

SearchKey search(std::string_view keys) {
  return parsed<cmd::Search>("SEARCH " + std::string(keys)).key;
}
SearchKey all_of(std::vector<SearchKey> children) {
  return {.kind = SearchKind::all_of, .children = std::move(children)};
}

TEST(Command, BareNames) {
  parsed_early<cmd::Capability>("CAPABILITY");
  parsed_early<cmd::Noop>("nOOp");
  parsed_early<cmd::Logout>("LOGOUT");
  parsed_early<cmd::Starttls>("STARTTLS");
  parsed<cmd::Namespace>("NAMESPACE");
  parsed<cmd::Check>("CHECK");
  parsed<cmd::Close>("CLOSE");
  parsed<cmd::Unselect>("UNSELECT");
  parsed<cmd::Idle>("IDLE");
  EXPECT_EQ(refused("NOOP "), kTextAfterCommand);
  EXPECT_EQ(refused("NOOP x"), kTextAfterCommand);
  EXPECT_EQ(refused(" NOOP"), kUnknownCommand);
  EXPECT_EQ(refused("NOOPX"), kUnknownCommand);
  EXPECT_EQ(refused("UID NOOP"), kUnknownCommand);
}

TEST(Command, Login) {
  EXPECT_EQ(parsed_early<cmd::Login>("LOGIN joe secret"), (cmd::Login{"joe", "secret"}));
  EXPECT_EQ(parsed_early<cmd::Login>(R"(login "joe \"q\" \\" "")"),
            (cmd::Login{R"(joe "q" \)", ""}));
  EXPECT_EQ(parsed_early<cmd::Login>("LOGIN {3}\r\njoe {6+}\r\na\r\nb c"),
            (cmd::Login{"joe", "a\r\nb c"}));
  EXPECT_EQ(parsed_early<cmd::Login>("LOGIN {0}\r\n {0+}\r\n"), (cmd::Login{"", ""}));
  EXPECT_EQ(parsed_early<cmd::Login>("LOGIN a]b p]w"), (cmd::Login{"a]b", "p]w"}));
  EXPECT_EQ(parsed_early<cmd::Login>("LOGIN u \"p\xc3\xa4ss\""), (cmd::Login{"u", "p\xc3\xa4ss"}));
  const auto early = [](std::string_view line) {
    return refused(line, SessionState::not_authenticated);
  };
  EXPECT_EQ(early("LOGIN joe"), kSpaceExpected);
  EXPECT_EQ(early("LOGIN joe "), kStringExpected);
  EXPECT_EQ(early("LOGIN joe  x"), kStringExpected);
  EXPECT_EQ(early("LOGIN joe (x)"), kStringExpected);
  EXPECT_EQ(early("LOGIN joe \"x"), kQuotedMalformed);
  EXPECT_EQ(early("LOGIN joe \"x{3}"), kQuotedMalformed);  // no literal inside quotes
  EXPECT_EQ(early("LOGIN joe \"\\x\""), kQuotedMalformed);
  EXPECT_EQ(early("LOGIN joe p\xc3\xa4ss"), kTextAfterCommand);
  EXPECT_EQ(early("LOGIN joe x y"), kTextAfterCommand);
  EXPECT_EQ(early(std::string_view("LOGIN joe {1+}\r\n\0", 17)), kNulInString);
}

TEST(Command, Authenticate) {
  EXPECT_EQ(parsed_early<cmd::Authenticate>("AUTHENTICATE plain"),
            (cmd::Authenticate{"PLAIN", std::nullopt}));
  EXPECT_EQ(parsed_early<cmd::Authenticate>("AUTHENTICATE PLAIN AGEAYg=="),
            (cmd::Authenticate{"PLAIN", std::string("\0a\0b", 4)}));
  EXPECT_EQ(parsed_early<cmd::Authenticate>("AUTHENTICATE SCRAM-SHA-256 ="),
            (cmd::Authenticate{"SCRAM-SHA-256", ""}));
  const auto early = [](std::string_view line) {
    return refused(line, SessionState::not_authenticated);
  };
  EXPECT_EQ(early("AUTHENTICATE"), kSpaceExpected);
  EXPECT_EQ(early("AUTHENTICATE PLAIN "), kBase64Malformed);
  EXPECT_EQ(early("AUTHENTICATE PLAIN A"), kBase64Malformed);
  EXPECT_EQ(early("AUTHENTICATE PLAIN {2}"), "");  // a continuation is due
}

TEST(Command, EnableAndId) {
  EXPECT_EQ(parsed<cmd::Enable>("ENABLE condstore Utf8=accept").capabilities,
            (std::vector<std::string>{"CONDSTORE", "UTF8=ACCEPT"}));
  EXPECT_EQ(refused("ENABLE"), kSpaceExpected);
  EXPECT_TRUE(parsed<cmd::Id>("ID NIL").fields.empty());
  EXPECT_TRUE(parsed<cmd::Id>("ID ()").fields.empty());
  const cmd::Id good = parsed<cmd::Id>("ID (\"name\" \"x\" \"os\" nil \"v\" {1}\r\n1)");
  ASSERT_EQ(good.fields.size(), 3u);
  EXPECT_EQ(good.fields[1], (std::pair<std::string, std::optional<std::string>>("os", {})));
  EXPECT_EQ(good.fields[2].second, "1");
  EXPECT_EQ(refused("ID (\"name\")"), kSpaceExpected);
  EXPECT_EQ(refused("ID (\"" + std::string(31, 'n') + "\" NIL)"), kIdMalformed);
}

TEST(Command, Mailboxes) {
  EXPECT_EQ(parsed<cmd::Subscribe>("SUBSCRIBE inbox").mailbox, "INBOX");
  EXPECT_EQ(parsed<cmd::Unsubscribe>("UNSUBSCRIBE \"a b\"").mailbox, "a b");
  EXPECT_EQ(parsed<cmd::Delete>("DELETE {3+}\r\na/b").mailbox, "a/b");
  EXPECT_EQ(parsed<cmd::Create>("CREATE Entw&APw-rfe"), (cmd::Create{"Entw\u00fcrfe", {}}));
  EXPECT_EQ(parsed<cmd::Create>("CREATE x (USE (\\Sent \\Drafts))"),
            (cmd::Create{"x", {"\\Sent", "\\Drafts"}}));
  EXPECT_EQ(parsed<cmd::Rename>("RENAME a \"b c\""), (cmd::Rename{"a", "b c"}));
  EXPECT_EQ(refused("CREATE \"\""), kMailboxMalformed);
  EXPECT_EQ(refused("CREATE a&b"), kMailboxMalformed);
  EXPECT_EQ(refused("CREATE a*"), kTextAfterCommand);
  EXPECT_EQ(refused("CREATE x (USE (Sent))"), kUnknownOption);
  EXPECT_EQ(refused("CREATE x (USE (\\Sent)"), kParenthesisExpected);
  EXPECT_EQ(refused("RENAME a"), kSpaceExpected);
}

TEST(Command, Utf8NamesAfterEnable) {
  TranscriptDriver driver(EngineOptions{}, SessionState::authenticated);
  driver.engine().use_utf8_names();
  const Transcript t = driver.run("a DELETE \"Entw\u00fcrfe & Co\"\r\n");
  EXPECT_EQ(t.events[0], Event(CommandEvent{"a", cmd::Delete{"Entw\u00fcrfe & Co"}}));
}

TEST(Command, List) {
  EXPECT_EQ(parsed<cmd::List>("LIST \"\" *"),
            (cmd::List{.reference = "", .patterns = {"*"}, .select = {}, .returns = {}}));
  EXPECT_EQ(parsed<cmd::List>("LIST a/ \"%\"").patterns, std::vector<std::string>{"%"});
  EXPECT_EQ(parsed<cmd::List>("LIST \"\" \"\"").patterns, std::vector<std::string>{""});
  EXPECT_EQ(parsed<cmd::List>("LIST \"\" Entw&APw-*").patterns[0], "Entw\u00fc*");
  const auto extended = parsed<cmd::List>(
      "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (INBOX \"%/b\") RETURN (CHILDREN special-use "
      "STATUS (MESSAGES UNSEEN))");
  EXPECT_TRUE(extended.extended);
  EXPECT_TRUE(extended.select.subscribed && extended.select.recursive_match);
  EXPECT_FALSE(extended.select.remote);
  EXPECT_EQ(extended.patterns, (std::vector<std::string>{"INBOX", "%/b"}));
  EXPECT_TRUE(extended.returns.children && extended.returns.special_use);
  EXPECT_EQ(extended.returns.status, (StatusItems{.messages = true, .unseen = true}));
  EXPECT_TRUE(parsed<cmd::List>("LIST () \"\" % RETURN ()").extended);
  EXPECT_EQ(refused("LIST (RECURSIVEMATCH) \"\" %"), kUnknownOption);
  EXPECT_EQ(refused("LIST (FOO) \"\" %"), kUnknownOption);
  EXPECT_EQ(refused("LIST \"\" % RETURN (FOO)"), kUnknownOption);
  EXPECT_EQ(refused("LIST \"\""), kSpaceExpected);
  EXPECT_EQ(parsed<cmd::Lsub>("LSUB \"\" %*"), (cmd::Lsub{"", "%*"}));
}

TEST(Command, Status) {
  EXPECT_EQ(parsed<cmd::Status>("STATUS blurdy (UIDNEXT messages)"),
            (cmd::Status{"blurdy", {.messages = true, .uid_next = true}}));
  EXPECT_EQ(parsed<cmd::Status>("STATUS x (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE "
                                "DELETED HIGHESTMODSEQ)")
                .items,
            (StatusItems{true, true, true, true, true, true, true, true}));
  EXPECT_EQ(refused("STATUS x ()"), kAtomExpected);
  EXPECT_EQ(refused("STATUS x (FOO)"), kUnknownItem);
  EXPECT_EQ(refused("STATUS x MESSAGES"), kParenthesisExpected);
}

TEST(Command, SelectAndExamine) {
  EXPECT_EQ(parsed<cmd::Select>("SELECT InBox"), (cmd::Select{.mailbox = "INBOX", .resync = {}}));
  EXPECT_TRUE(parsed<cmd::Select>("EXAMINE x").read_only);
  EXPECT_TRUE(parsed<cmd::Select>("SELECT x (CONDSTORE)").condstore);
  const auto plain = parsed<cmd::Select>("SELECT x (QRESYNC (67890007 20050715194045000))").resync;
  EXPECT_EQ(plain, (cmd::Resync{67890007, 20050715194045000, {}, {}, {}}));
  const auto full = parsed<cmd::Select>("SELECT x (QRESYNC (6 20 41,43:211 (5,6 7,9)) CONDSTORE)");
  EXPECT_TRUE(full.condstore);
  EXPECT_EQ(full.resync, (cmd::Resync{6, 20, set("41,43:211"), set("5,6"), set("7,9")}));
  EXPECT_EQ(parsed<cmd::Select>("SELECT x (QRESYNC (6 20 (5 7)))").resync,
            (cmd::Resync{6, 20, {}, set("5"), set("7")}));
  EXPECT_EQ(refused("SELECT x (QRESYNC (0 20))"), kNumberExpected);
  EXPECT_EQ(refused("SELECT x (QRESYNC (1 20)"), kParenthesisExpected);
  EXPECT_EQ(refused("SELECT x (FOO)"), kUnknownOption);
}

TEST(Command, ExpungeCopyMove) {
  EXPECT_EQ(parsed<cmd::Expunge>("EXPUNGE").uids, std::nullopt);
  EXPECT_EQ(parsed<cmd::Expunge>("UID EXPUNGE 3:5").uids, set("3:5"));
  EXPECT_EQ(parsed<cmd::Copy>("COPY 2:4 MEETING"), (cmd::Copy{false, set("2:4"), "MEETING"}));
  EXPECT_EQ(parsed<cmd::Copy>("uid copy * x"), (cmd::Copy{true, set("*"), "x"}));
  EXPECT_EQ(parsed<cmd::Move>("MOVE 1 x"), (cmd::Move{false, set("1"), "x"}));
  EXPECT_EQ(parsed<cmd::Move>("UID MOVE $ x"), (cmd::Move{true, set("$"), "x"}));
  EXPECT_EQ(refused("COPY 0 x"), kSetMalformed);
  EXPECT_EQ(refused("COPY x"), kSetMalformed);
  EXPECT_EQ(refused("UID  COPY 1 x"), kUnknownCommand);
}

TEST(Command, Store) {
  FlagSet flags;
  flags.set(SystemFlag::deleted);
  EXPECT_EQ(parsed<cmd::Store>("STORE 2:4 +FLAGS (\\Deleted)"),
            (cmd::Store{false, set("2:4"), cmd::StoreMode::add, false, flags, {}}));
  ASSERT_TRUE(flags.add_keyword("$Work"));
  EXPECT_EQ(parsed<cmd::Store>("UID STORE 1 -flags.SILENT \\deleted $Work"),
            (cmd::Store{true, set("1"), cmd::StoreMode::remove, true, flags, {}}));
  EXPECT_EQ(parsed<cmd::Store>("STORE 1 (UNCHANGEDSINCE 99) FLAGS ()"),
            (cmd::Store{false, set("1"), cmd::StoreMode::replace, false, {}, 99}));
  EXPECT_EQ(refused("STORE 1 FLAGS"), kSpaceExpected);
  EXPECT_EQ(refused("STORE 1 FLAGS (\\Recent)"), kFlagMalformed);
  EXPECT_EQ(refused("STORE 1 FLAGS (\\Foo)"), kFlagMalformed);
  EXPECT_EQ(refused("STORE 1 FLAGS (a b"), kParenthesisExpected);
  EXPECT_EQ(refused("STORE 1 FLAG (a)"), kUnknownItem);
  std::string many = "STORE 1 FLAGS (k";
  for (size_t i = 0; i < FlagSet::kKeywordsMax; ++i) many += " k" + std::to_string(i);
  EXPECT_EQ(refused(many + ")"), kTooManyFlags);
}

TEST(Command, FetchItems) {
  const auto items = [](std::string_view text) {
    return parsed<cmd::Fetch>("FETCH 1 " + std::string(text)).items;
  };
  const auto kinds = [&](std::string_view text) {
    std::vector<FetchKind> out;
    for (const FetchItem& item : items(text)) out.push_back(item.kind);
    return out;
  };
  using enum FetchKind;
  EXPECT_EQ(kinds("FLAGS"), std::vector{flags});
  EXPECT_EQ(kinds("fast"), (std::vector{flags, internal_date, rfc822_size}));
  EXPECT_EQ(kinds("ALL"), (std::vector{flags, internal_date, rfc822_size, envelope}));
  EXPECT_EQ(kinds("FULL"), (std::vector{flags, internal_date, rfc822_size, envelope, body}));
  EXPECT_EQ(kinds("(UID FLAGS INTERNALDATE ENVELOPE BODY BODYSTRUCTURE RFC822 RFC822.HEADER "
                  "RFC822.SIZE RFC822.TEXT MODSEQ)"),
            (std::vector{uid, flags, internal_date, envelope, body, body_structure, rfc822,
                         rfc822_header, rfc822_size, rfc822_text, modseq}));
  EXPECT_EQ(kinds("(FLAGS flags BODY[] BODY[] BODY.PEEK[])"),
            (std::vector{flags, body_section, body_section}));
  EXPECT_EQ(kinds("(BINARY[1] BINARY.PEEK[1.2]<0.5> BINARY.SIZE[])"),
            (std::vector{binary, binary, binary_size}));
}

TEST(Command, FetchSections) {
  const auto item = [](std::string_view text) {
    const auto fetch = parsed<cmd::Fetch>("FETCH 1 (" + std::string(text) + ")");
    return fetch.items.size() == 1 ? fetch.items[0] : FetchItem{};
  };
  const auto body = [](Section section) {
    return FetchItem{.kind = FetchKind::body_section, .section = std::move(section)};
  };
  EXPECT_EQ(item("BODY[]"), body({}));
  EXPECT_EQ(item("BODY[1.2.3]"), body({{1, 2, 3}, SectionKind::all, {}}));
  EXPECT_EQ(item("body[text]"), body({{}, SectionKind::text, {}}));
  EXPECT_EQ(item("BODY[HEADER]"), body({{}, SectionKind::header, {}}));
  EXPECT_EQ(item("BODY[2.MIME]"), body({{2}, SectionKind::mime, {}}));
  EXPECT_EQ(item("BODY[4.1.HEADER.FIELDS (From \"X Y\" {2}\r\nTo)]"),
            body({{4, 1}, SectionKind::header_fields, {"From", "X Y", "To"}}));
  EXPECT_EQ(item("BODY[HEADER.FIELDS.NOT (BCC)]"),
            body({{}, SectionKind::header_fields_not, {"BCC"}}));
  FetchItem partial = body({});
  partial.partial = Partial{0, 2048};
  partial.peek = true;
  EXPECT_EQ(item("BODY.PEEK[]<0.2048>"), partial);
  EXPECT_TRUE(marks_seen(body({})));
  EXPECT_FALSE(marks_seen(partial));
  std::string name;
  append_name(name, partial);
  append_name(name, body({{4, 1}, SectionKind::header_fields, {"From", "X Y"}}));
  EXPECT_EQ(name, "BODY[]<0>BODY[4.1.HEADER.FIELDS (From \"X Y\")]");
}

TEST(Command, FetchRefusals) {
  EXPECT_EQ(refused("FETCH 1 ()"), kAtomExpected);
  EXPECT_EQ(refused("FETCH 1 (FOO)"), kUnknownItem);
  EXPECT_EQ(refused("FETCH 1 (ALL)"), kUnknownItem);
  EXPECT_EQ(refused("FETCH 1"), kSpaceExpected);
  EXPECT_EQ(refused("FETCH 1 (FLAGS"), kParenthesisExpected);
  EXPECT_EQ(refused("FETCH 1 BODY["), kSectionMalformed);
  EXPECT_EQ(refused("FETCH 1 BODY[TEXT"), kBracketExpected);
  EXPECT_EQ(refused("FETCH 1 BODY.PEEK"), kBracketExpected);
  EXPECT_EQ(refused("FETCH 1 BODY[MIME]"), kSectionMalformed);
  EXPECT_EQ(refused("FETCH 1 BODY[1.]"), kSectionMalformed);
  EXPECT_EQ(refused("FETCH 1 BODY[0]"), kNumberExpected);
  EXPECT_EQ(refused("FETCH 1 BODY[HEADER.FIELDS ()]"), kStringExpected);
  EXPECT_EQ(refused("FETCH 1 BODY[]<0.0>"), kSectionMalformed);
  EXPECT_EQ(refused("FETCH 1 BODY[]<0>"), kSectionMalformed);
  EXPECT_EQ(refused("FETCH 1 BINARY[1.TEXT]"), kSectionMalformed);
  EXPECT_EQ(refused("FETCH 1 BINARY.SIZE[1]<0.1>"), kTextAfterCommand);
  std::string deep = "FETCH 1 BODY[1";
  for (size_t i = 0; i < kSectionPartsMax; ++i) deep += ".1";
  EXPECT_EQ(refused(deep + "]"), kSectionMalformed);
  std::string many = "FETCH 1 (FLAGS";
  for (size_t i = 0; i < kFetchItemsMax; ++i) many += " BODY[" + std::to_string(i + 1) + "]";
  EXPECT_EQ(refused(many + ")"), kTooManyItems);
}

TEST(Command, FetchModifiers) {
  const auto fetch = parsed<cmd::Fetch>("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12 VANISHED)");
  EXPECT_TRUE(fetch.by_uid && fetch.vanished);
  EXPECT_EQ(fetch.changed_since, 12u);
  EXPECT_TRUE(fetch.has(FetchKind::uid));
  EXPECT_TRUE(fetch.has(FetchKind::modseq));
  EXPECT_EQ(parsed<cmd::Fetch>("UID FETCH 1 UID").items.size(), 1u);
  EXPECT_EQ(refused("FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)"), kUnknownOption);
  EXPECT_EQ(refused("UID FETCH 1 FLAGS (VANISHED)"), kUnknownOption);
}

TEST(Command, SearchKeys) {
  EXPECT_EQ(search("ALL"), all_of({{.kind = SearchKind::all}}));
  EXPECT_EQ(search("unseen"), all_of({{.kind = SearchKind::lacks_flag, .flag = SystemFlag::seen}}));
  EXPECT_EQ(search("OLD"), all_of({{.kind = SearchKind::lacks_flag, .flag = SystemFlag::recent}}));
  EXPECT_EQ(search("NEW"),
            all_of({all_of({{.kind = SearchKind::has_flag, .flag = SystemFlag::recent},
                            {.kind = SearchKind::lacks_flag, .flag = SystemFlag::seen}})}));
  EXPECT_EQ(search("FROM \"Smith\" SINCE 1-Feb-1994"),
            all_of({{.kind = SearchKind::header, .field = "From", .text = "Smith"},
                    {.kind = SearchKind::since, .date = {1994, 2, 1}}}));
  EXPECT_EQ(search("SENTON \"01-Feb-1994\""),
            all_of({{.kind = SearchKind::sent_on, .date = {1994, 2, 1}}}));
  EXPECT_EQ(search("HEADER Message-ID {4+}\r\n<a@>"),
            all_of({{.kind = SearchKind::header, .field = "Message-ID", .text = "<a@>"}}));
  EXPECT_EQ(
      search("TEXT \"\" LARGER 5000000000"),
      all_of({{.kind = SearchKind::text}, {.kind = SearchKind::larger, .number = 5000000000}}));
  EXPECT_EQ(search("KEYWORD $Junk UNKEYWORD x"),
            all_of({{.kind = SearchKind::has_keyword, .text = "$Junk"},
                    {.kind = SearchKind::lacks_keyword, .text = "x"}}));
  EXPECT_EQ(search("2,4:* UID 9"), all_of({{.kind = SearchKind::sequence, .numbers = set("2,4:*")},
                                           {.kind = SearchKind::uid, .numbers = set("9")}}));
  EXPECT_EQ(search("OLDER 3600 YOUNGER 7200"),
            all_of({{.kind = SearchKind::older, .number = 3600},
                    {.kind = SearchKind::younger, .number = 7200}}));
}

TEST(Command, SearchKnowsEveryKey) {
  for (const char* keys : {"ALL",
                           "ANSWERED",
                           "BCC x",
                           "BEFORE 1-Jan-2020",
                           "BODY x",
                           "CC x",
                           "DELETED",
                           "DRAFT",
                           "FLAGGED",
                           "FROM x",
                           "HEADER a b",
                           "KEYWORD x",
                           "LARGER 1",
                           "MODSEQ 1",
                           "NEW",
                           "NOT ALL",
                           "OLD",
                           "OLDER 1",
                           "ON 1-Jan-2020",
                           "OR ALL NEW",
                           "RECENT",
                           "SEEN",
                           "SENTBEFORE 1-Jan-2020",
                           "SENTON 1-Jan-2020",
                           "SENTSINCE 1-Jan-2020",
                           "SINCE 1-Jan-2020",
                           "SMALLER 1",
                           "SUBJECT x",
                           "TEXT x",
                           "TO x",
                           "UID 1",
                           "UNANSWERED",
                           "UNDELETED",
                           "UNDRAFT",
                           "UNFLAGGED",
                           "UNKEYWORD x",
                           "UNSEEN",
                           "YOUNGER 1",
                           "1:*",
                           "*",
                           "(ALL)"}) {
    EXPECT_EQ(search(keys).children.size(), 1u) << keys;
  }
}

TEST(Command, SearchNesting) {
  const SearchKey seen{.kind = SearchKind::has_flag, .flag = SystemFlag::seen};
  const SearchKey draft{.kind = SearchKind::has_flag, .flag = SystemFlag::draft};
  EXPECT_EQ(search("NOT (SEEN DRAFT)"),
            all_of({{.kind = SearchKind::none_of, .children = {all_of({seen, draft})}}}));
  EXPECT_EQ(search("OR SEEN NOT DRAFT"),
            all_of({{.kind = SearchKind::any_of,
                     .children = {seen, {.kind = SearchKind::none_of, .children = {draft}}}}}));
  const auto nested = [](size_t depth) {
    return "SEARCH " + std::string(depth, '(') + "ALL" + std::string(depth, ')');
  };
  EXPECT_EQ(refused(nested(kSearchDepthMax - 1)), "");
  EXPECT_EQ(refused(nested(kSearchDepthMax)), kSearchTooDeep);
  EXPECT_EQ(refused(nested(30'000)), kSearchTooDeep);
  std::string many = "SEARCH ALL";
  for (size_t i = 1; i < kSearchKeysMax; ++i) many += " ALL";
  EXPECT_EQ(refused(many), "");
  EXPECT_EQ(refused(many + " ALL"), kSearchTooLong);
}

TEST(Command, SearchOptions) {
  const auto plain = parsed<cmd::Search>("UID SEARCH CHARSET utf-8 SUBJECT \"\xc3\xa4\"");
  EXPECT_TRUE(plain.by_uid);
  EXPECT_EQ(plain.charset, "UTF-8");
  EXPECT_EQ(plain.returns, std::nullopt);
  EXPECT_EQ(parsed<cmd::Search>("SEARCH RETURN (MIN MAX count) ALL").returns,
            (SearchReturn{.min = true, .max = true, .count = true}));
  EXPECT_EQ(parsed<cmd::Search>("SEARCH RETURN () ALL").returns, (SearchReturn{.all = true}));
  EXPECT_EQ(parsed<cmd::Search>("SEARCH RETURN (SAVE) CHARSET US-ASCII ALL").returns,
            (SearchReturn{.save = true}));
  const auto modseq = parsed<cmd::Search>("SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338");
  EXPECT_TRUE(modseq.wants_modseq);
  EXPECT_EQ(modseq.key, all_of({{.kind = SearchKind::modseq, .number = 620162338}}));
  EXPECT_EQ(refused("SEARCH"), kSpaceExpected);
  EXPECT_EQ(refused("SEARCH "), kAtomExpected);
  EXPECT_EQ(refused("SEARCH FOO"), kUnknownSearchKey);
  EXPECT_EQ(refused("SEARCH FROM"), kSpaceExpected);
  EXPECT_EQ(refused("SEARCH OR SEEN"), kSpaceExpected);
  EXPECT_EQ(refused("SEARCH (SEEN"), kParenthesisExpected);
  EXPECT_EQ(refused("SEARCH SINCE 31-Feb-2020"), kDateMalformed);
  EXPECT_EQ(refused("SEARCH RETURN (FOO) ALL"), kUnknownOption);
}

TEST(Command, StatesAreKept) {
  const auto state_of = [](std::string_view line, SessionState state) {
    return refused(line, state);
  };
  EXPECT_EQ(state_of("SELECT x", SessionState::not_authenticated), kNeedsLogin);
  EXPECT_EQ(state_of("FETCH 1 FLAGS", SessionState::authenticated), kNeedsMailbox);
  EXPECT_EQ(state_of("LOGIN a b", SessionState::authenticated), kOnlyBeforeLogin);
  EXPECT_EQ(state_of("STARTTLS", SessionState::selected), kOnlyBeforeLogin);
  EXPECT_EQ(state_of("LIST \"\" *", SessionState::selected), "");
}

}  // namespace
}  // namespace ph::imap
