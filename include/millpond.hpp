/// millpond: a decentralised event log for shop floors. The C++ interface, C++17 and later.
///
/// Header-only over `millpond.h`: link libmillpond and include this. What a call does, and what it
/// may answer, stands at it in short, and in `millpond.h` in full; these are the laws of all.
///
/// TWO FACES. Each call that can fail exists twice: `try_name` returns a `Result`; `name` is that
///   and nothing more, and gives the value or throws `Error`. With `-fno-exceptions` only the first
///   are there. Programs may mix both kinds of translation units; an inline function of their own
///   that takes or gives types of millpond is to be in only one kind.
/// OWNERSHIP. What has a resource is move-only, and its destructor gives it back without a word; to
///   learn how a close went, call `close`. A handle that was moved from is none: its calls answer
///   `invalid_argument` or `closed`. Spans and `std::string_view`s that a call gives are borrowed
///   from the object that it was called on, and options and drafts own what they say.
/// BORROWED. A `BatchRef`, a `StateRef` and an `Event` point into the `Batch`, `State` or `States`
///   that they are of; one that a callback is given is borrowed until the callback returns.
/// WAITING. `Wait` is a timeout of any std::chrono duration, a `Cancel`, both, or neither, which is
///   no bound. Durations are rounded up to milliseconds; one that is not positive is not to wait.
/// THREADS. A `const` member may be called from any thread, several at once, also from a callback;
///   so may `close`, while another thread waits in a call on the same object. Other members, moving
///   and destroying need the object for themselves.
/// CALLBACKS may throw, or return a `Result`: no exception goes through millpond. What code of a
///   fish, an effect or a `make_fish` fails with comes back as an error of the kind `user_code`.
///   What they capture is destroyed on threads of millpond, and is to let that thread go on soon.
/// FORK. In a child that was forked while a node was open every call answers `forked_process`.
/// VERSIONS. `Node::open` checks that the library serves this header; so does `check_abi`.
#ifndef MILLPOND_HPP
#define MILLPOND_HPP

#include "millpond/base.hpp"
#include "millpond/error.hpp"
#include "millpond/wait.hpp"

#include "millpond/event.hpp"
#include "millpond/publish.hpp"
#include "millpond/session.hpp"

#include "millpond/cursor.hpp"
#include "millpond/subscription.hpp"

#include "millpond/fish.hpp"
#include "millpond/folds.hpp"
#include "millpond/state.hpp"

#include "millpond/group.hpp"
#include "millpond/observer.hpp"

#include "millpond/scarce.hpp"

#include "millpond/coroutine.hpp"
#include "millpond/log.hpp"
#include "millpond/node.hpp"

#include "millpond/blob.hpp"

#endif
