// Accounts, claims, peers, and what a node says of itself.
#include "check.hpp"

using millpond::Deed;
using millpond::Doing;
using millpond::Token;

namespace {

/// Waits until `node` has all that `other` has.
void catch_up(const Node &node, const Node &other) { node.wait_for(other.offsets(), SOON); }

void an_account_is_divided_and_never_overdrawn() {
    Node london = open_online(), york = open_online();
    const millpond::Account steel = london.account("steel");
    CHECK(steel.name() == "steel");
    FAILS(not_found, steel.try_report({}, SOON));
    steel.create(1000, 0, {{york.id(), 400}}, SOON);
    FAILS(conflict, steel.try_create(1, 0, {}, SOON));
    york.connect(london.ticket(SOON), SOON);
    catch_up(york, london);
    const millpond::Account there = york.account("steel");
    const Result<millpond::Published> refused = there.try_withdraw(900, SOON);
    CHECK(kind_of(refused) == ErrorKind::overdraft);
    CHECK(field(std::string(refused.error().details()), "available") == "400");
    there.withdraw(150, SOON);
    there.deposit(50, SOON);
    there.grant(london.id(), 100, SOON);
    catch_up(london, york);
    const std::string report = steel.report({}, SOON);
    CHECK(field(report, "balance") == "900" && field(report, "available") == "700");
    Deed deed = Deed::account_withdraw("steel", 10);
    deed.idempotency_key = "order 7", deed.note = Payload::json("\"rush\"");
    deed.id = field(report, "id");
    CHECK(!london.act(deed, {}, SOON).replayed && london.act(deed, {}, SOON).replayed);
    CHECK(field(steel.next_report(Token(field(report, "as_of")), SOON), "balance") == "890");
    steel.answer_requests(100);
    there.request(300, SOON);
    std::string known = there.report({}, SOON);
    while (field(known, "available") != "500")
        known = there.next_report(Token(field(known, "as_of")), SOON);
    steel.stop_answering();
    FAILS(not_found, steel.try_recover_alone(SOON));
    CHECK(!steel.try_recover(SOON));
    const millpond::Account exact = london.account("steel", field(report, "id"));
    CHECK(field(exact.report({}, SOON), "id") == field(report, "id"));
    FAILS(not_found, london.account("steel", std::string(32, '0')).try_report({}, SOON));
}

void a_claim_has_one_holder_and_its_fence_admits() {
    Node node = open_online(), other = open_online();
    const millpond::Claim press = node.claim("press");
    CHECK(press.what() == "press");
    press.create({}, SOON);
    const std::string report = press.report({}, SOON);
    const std::string fence = field(report, "own_fence");
    millpond::fence_admits({}, fence);
    millpond::fence_admits(fence, fence);
    FAILS(invalid_argument, millpond::try_fence_admits(fence, "no fence"));
    CHECK(contains(node.who_does("press", {}, SOON), node.id().c_str()));
    other.connect(node.ticket(SOON), SOON);
    catch_up(other, node);
    const millpond::Claim there = other.claim("press");
    FAILS(not_found, there.try_transfer(node.id(), SOON));
    press.hand_over_when_asked(true);
    there.request(true, SOON);
    std::string known = there.report({}, SOON);
    while (field(known, "own_fence") == "null")
        known = there.next_report(Token(field(known, "as_of")), SOON);
    FAILS(conflict, millpond::try_fence_admits(field(known, "own_fence"), fence));
    there.request(false, SOON);
    there.transfer(node.id(), SOON);
    press.hand_over_when_asked(false);
    FAILS(not_found, there.try_recover_alone(SOON));
    CHECK(!there.try_recover(SOON));
}

void an_optimistic_claim_tells_how_it_stands() {
    Node node = open_node();
    CHECK(!node.own_doing("welding", SOON));
    Doing doing = node.do_optimistically("welding", Payload::json("{\"by\":7}"), {}, SOON);
    CHECK(is_readable(doing.fd()));
    const std::string won = doing.next(SOON);
    CHECK(field(won, "standing") == "won" && contains(won, "\"by\":7"));
    std::optional<Doing> own = node.own_doing("welding", SOON);
    CHECK(own && own->key() == doing.key());
    FAILS(timeout, doing.try_lost(1ms));
    const std::string before = node.who_does("welding", {}, SOON);
    node.act(Deed::doing_release("welding"), {}, SOON);
    CHECK(field(doing.lost(SOON), "standing") == "released");
    CHECK(field(doing.next(SOON), "standing") == "released");
    const Token known(field(before, "as_of"));
    CHECK(contains(node.who_does("welding", {}, SOON, known), "\"doers\":[]"));
    own->close();
    FAILS(closed, own->try_key());
    FAILS(closed, own->try_next(SOON));
}

void peers_are_connected_by_tickets_and_let_go() {
    Node a = open_online(), b = open_online();
    const std::string ticket = a.ticket(SOON);
    CHECK(contains(millpond::parse_ticket(ticket), a.id().c_str()));
    FAILS(invalid_argument, millpond::try_parse_ticket("no ticket"));
    std::uint64_t version = 0;
    (void)b.next_status(version, SOON);
    CHECK(version != 0);
    b.connect(ticket, SOON);
    std::string status;
    while (!contains(status, a.id().c_str())) status = b.next_status(version, SOON);
    b.disconnect(a.id(), SOON);
    b.set_network(false, SOON);
    a.publish(grain());
    FAILS(not_yet_visible, b.try_wait_for(a.offsets(), 1ms));
    b.set_network(true, SOON);
    b.connect(ticket, SOON);
    catch_up(b, a);
    const std::string next = millpond::next_swarm_secret(SECRET);
    CHECK(next.size() == 128 && millpond::new_swarm_secret().size() == 64);
    a.set_secrets(next, {SECRET}, SOON);
    FAILS(invalid_argument, a.try_set_secrets(millpond::new_swarm_secret(), {}, SOON));
    FAILS(invalid_argument, open_node().try_ticket(SOON));
    millpond::NodeOptions refused = options_at(fresh_folder());
    refused.swarm.reset();
    FAILS(invalid_argument, Node::try_open(refused, SOON));
    refused.ticket = "no ticket";
    FAILS(invalid_argument, Node::try_open(refused, SOON));
}

void a_list_of_nobody_allows_nobody() {
    Node a = open_online();
    millpond::NodeOptions options = options_at(fresh_folder());
    options.network = true, options.discovery = false, options.bind = {"127.0.0.1:0"};
    options.allow.emplace();
    const Result<Node> alone = Node::try_open(options, SOON);
    if (alone) FAILS(peer_refused, alone->try_connect(a.ticket(SOON), SOON));
    else CHECK(alone.error().kind() == ErrorKind::invalid_argument);
    options.path = fresh_folder();
    options.allow->push_back(a.id());
    Node friendly = Node::open(options, SOON);
    friendly.connect(a.ticket(SOON), SOON);
}

void a_node_says_how_it_is() {
    Node node = open_node();
    node.publish(grain());
    CHECK(contains(node.status(SOON), node.id().c_str()));
    CHECK(contains(node.metrics(SOON), "# TYPE millpond_"));
    CHECK(contains(node.verify(SOON), "damages"));
    CHECK(contains(node.compact(SOON), "bytes_after"));
    CHECK(contains(node.stats(), "journal"));
    CHECK(!node.offsets().text().empty());
}

void traces_go_to_a_callback_until_it_is_replaced() {
    Board board;
    int freed = 0, lines = 0;
    auto holds = std::make_shared<Freed>(board, freed);
    millpond::set_log(millpond::LogLevel::trace,
                      [&board, &lines, holds](const millpond::LogRecord &record) {
                          board.change([&] { lines += record.message.empty() ? 0 : 1; });
                          throw 7;
                      });
    holds.reset();
    (void)open_node();
    CHECK(board.becomes([&] { return lines > 0; }));
    millpond::set_log(millpond::LogLevel::off, {});
    CHECK(freed == 1);
}

}  // namespace

int main() {
    run("an account is divided, and never overdrawn", an_account_is_divided_and_never_overdrawn);
    run("a claim has one holder, and its fence admits",
        a_claim_has_one_holder_and_its_fence_admits);
    run("an optimistic claim tells how it stands", an_optimistic_claim_tells_how_it_stands);
    run("peers are connected by tickets, and let go", peers_are_connected_by_tickets_and_let_go);
    run("a list of nobody allows nobody", a_list_of_nobody_allows_nobody);
    run("a node says how it is", a_node_says_how_it_is);
    run("traces go to a callback until it is replaced",
        traces_go_to_a_callback_until_it_is_replaced);
    return summary();
}
