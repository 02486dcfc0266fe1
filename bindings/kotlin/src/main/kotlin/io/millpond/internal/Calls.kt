package io.millpond.internal

import io.millpond.MillpondException
import io.millpond.internal.generated.Bridge
import io.millpond.internal.generated.BridgeException
import io.millpond.internal.generated.Completion
import io.millpond.internal.generated.Failure
import io.millpond.internal.generated.InternalException
import io.millpond.internal.generated.Outcome
import java.util.concurrent.CompletableFuture
import kotlin.coroutines.ContinuationInterceptor
import kotlin.time.Duration
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext

/** How a call is begun: its ticket, and its limit in milliseconds. */
internal typealias Begin = Bridge.(ticket: ULong, limitMs: ULong?) -> Completion?

/**
 * Makes a call and waits for what it comes to. A cancelled coroutine calls it off: when the
 * [CancellationException] leaves here, nothing happens any more, and what came late is closed.
 */
internal suspend fun call(timeout: Duration?, begin: Begin): Outcome {
    currentCoroutineContext().ensureActive()
    val limit = milliseconds(timeout)
    val ended = CompletableDeferred<Outcome>()
    val ticket = Pump.start(ended::complete) { ticket -> Library.bridge.begin(ticket, limit) }
    val outcome = try {
        awaited(ended)
    } catch (cancelled: CancellationException) {
        withContext(NonCancellable + Dispatchers.IO) {
            Pump.cancel(ticket)
            Pump.dispose(ended.await())
        }
        throw cancelled
    }
    return succeeded(outcome)
}

/** Who goes on wherever it is resumed would run on the pump. */
private suspend fun awaited(ended: CompletableDeferred<Outcome>): Outcome {
    val dispatcher = currentCoroutineContext()[ContinuationInterceptor]
    val isElsewhere = dispatcher != null && dispatcher !== Dispatchers.Unconfined
    if (isElsewhere || ended.isCompleted) return ended.await()
    return withContext(Dispatchers.Default) { ended.await() }
}

/** As [call], for callers that are no coroutines. An interrupted thread goes on waiting. */
internal fun callBlocking(timeout: Duration?, begin: Begin): Outcome {
    val limit = milliseconds(timeout)
    val ended = CompletableFuture<Outcome>()
    Pump.start(ended::complete) { ticket -> Library.bridge.begin(ticket, limit) }
    return succeeded(ended.join())
}

private fun succeeded(outcome: Outcome): Outcome =
    if (outcome is Outcome.Failed) throw thrown(outcome.failure) else outcome

internal fun textOf(outcome: Outcome): String = (outcome as Outcome.Text).text

internal fun handleOf(outcome: Outcome): ULong = (outcome as Outcome.Handle).handle

/** Null is no bound. */
internal fun milliseconds(timeout: Duration?): ULong? = when {
    timeout == null || timeout.isInfinite() -> null
    timeout.isNegative() -> throw invalid("a timeout of $timeout: give 0 or more")
    // What is shorter than a millisecond is still some time.
    else -> ((timeout.inWholeMicroseconds + 999) / 1000).toULong()
}

/** Runs a call that cannot wait. */
internal inline fun <T> failing(call: () -> T): T = try {
    Library.find()
    call()
} catch (failed: BridgeException.Failed) {
    throw thrown(failed.failure)
} catch (bug: InternalException) {
    throw MillpondException.of(INTERNAL, bug.message.orEmpty())
}

/** Number of the kind `internal`. */
private const val INTERNAL = 21

/** Number of the kind `invalid_argument`. */
private const val INVALID_ARGUMENT = 1

internal fun thrown(failure: Failure): MillpondException = MillpondException.of(
    failure.number,
    failure.text,
    failure.reason,
    failure.position?.toInt(),
    failure.missingJson,
    failure.detailsJson,
)

internal fun invalid(text: String): MillpondException = MillpondException.of(INVALID_ARGUMENT, text)

/** A number of the application that the native half has without a sign. */
internal fun unsigned(name: String, value: Long?): ULong? = when {
    value == null -> null
    value < 0 -> throw invalid("$name is $value: give a whole number from 0 on")
    else -> value.toULong()
}

/** The same of how many. */
internal fun count(name: String, value: Int?): UInt? = unsigned(name, value?.toLong())?.toUInt()
