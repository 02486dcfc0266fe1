// Two translation units of one program, with and without exceptions: each has its own face.
#include "check.hpp"
#include <millpond.hpp> // Twice is once.

int run_plain();

namespace {

void both_faces_work_in_one_program() {
    Node node = open_node();
    bool has_thrown = false;
    try {
        (void)node.query("FROM");
    } catch (const Error &error) {
        has_thrown = error.kind() == ErrorKind::query_invalid;
    }
    CHECK(has_thrown);
    const Result<void> caught = millpond::detail::caught<void>([]() -> Result<void> { throw 7; });
    CHECK(!caught && caught.error().kind() == ErrorKind::user_code);
}

}  // namespace

int main() {
    const int plain = run_plain();
    run("both faces work in one program", both_faces_work_in_one_program);
    return summary() | plain;
}
