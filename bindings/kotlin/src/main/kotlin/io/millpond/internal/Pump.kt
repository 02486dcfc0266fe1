package io.millpond.internal

import io.millpond.internal.generated.Completion
import io.millpond.internal.generated.Failure
import io.millpond.internal.generated.Outcome
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import kotlin.concurrent.thread

/**
 * The one thread of this process that takes what ended, and hands it to whoever waits.
 *
 * It keeps no process alive and never runs code of the application: who waits goes on where its
 * dispatcher says. Every ticket is answered once, here or by the start of its call.
 */
internal object Pump {
    private val waiting = ConcurrentHashMap<ULong, (Outcome) -> Unit>()
    private val lastTicket = AtomicLong()
    private val bridge = Library.bridge

    /**
     * Starts a call; [answer] gets what it comes to, on this thread or on the pump's. Returns its
     * ticket.
     */
    fun start(answer: (Outcome) -> Unit, begin: (ticket: ULong) -> Completion?): ULong {
        val ticket = lastTicket.incrementAndGet().toULong()
        waiting[ticket] = answer
        val now = try {
            begin(ticket)
        } catch (refused: Throwable) {
            waiting.remove(ticket)
            throw refused
        }
        // After a shut nobody takes any more; whoever came too late for that is told here.
        val outcome = now?.outcome ?: if (bridge.isShut()) SHUT else return ticket
        waiting.remove(ticket)?.invoke(outcome)
        return ticket
    }

    /** Calls off a call. When this returns, it has ended and its answer is on its way. */
    fun cancel(ticket: ULong): Unit = failing { bridge.cancel(ticket) }

    /** Closes what came when nobody wanted it any more. */
    fun dispose(outcome: Outcome) {
        if (outcome !is Outcome.Handle) return
        bridge.release(outcome.handle)
        outcome.fold?.let(bridge::release)
    }

    private fun run() {
        while (true) {
            val ended = bridge.take(TAKEN_MAX, null)
            if (ended.isEmpty() && bridge.isShut()) break
            for (completion in ended) {
                waiting.remove(completion.ticket)?.invoke(completion.outcome)
            }
            Handle.releaseForgotten()
        }
        for (ticket in waiting.keys) waiting.remove(ticket)?.invoke(SHUT)
    }

    /** Most that is taken at once: what ends meanwhile is taken next. */
    private const val TAKEN_MAX = 256u

    /** Number of the kind `closed`. */
    private const val CLOSED = 9

    private val SHUT = Outcome.Failed(
        Failure(CLOSED, "closed", "millpond was shut down here", false, null, null, "{}", null),
    )

    init {
        // The last thing: it finds everything else made.
        thread(name = "millpond-pump", isDaemon = true) { run() }
    }
}
