package io.millpond

import io.millpond.internal.Library
import io.millpond.payload.Value
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class CancelTest {
    /** Each call that waits for what does not come. */
    private val waiting: List<suspend (Node) -> Unit> = listOf(
        { it.waitFor(Offsets.of(mapOf(it.stream to 9L))) },
        { it.subscribe("FROM allEvents").events().toList() },
        { node ->
            node.subscribe("FROM allEvents").open().use { while (true) it.nextBatch() }
        },
    )

    @Test
    fun `nothing goes on after a waiting call was cancelled`() = soon {
        open().use { node ->
            for (wait in waiting) {
                val started = launch(start = CoroutineStart.UNDISPATCHED) { wait(node) }
                val begun = TimeSource.Monotonic.markNow()
                started.cancelAndJoin()
                assertEquals(0uL, Library.bridge.callCount())
                // Far more than it takes, and far less than a wait without an end.
                assertTrue(begun.elapsedNow() < SOON / 6, "${begun.elapsedNow()}")
            }
            node.publish(Value.of(1))
        }
    }

    @Test
    fun `a coroutine's timeout calls off`() = soon {
        open().use { node ->
            for (wait in waiting) {
                val ended = runCatching { withTimeout(20.milliseconds) { wait(node) } }
                assertTrue(ended.exceptionOrNull() is TimeoutCancellationException, "$ended")
                assertEquals(0uL, Library.bridge.callCount())
            }
        }
    }

    @Test
    fun `an opening that was cancelled leaves no node open`() = soon {
        repeat(20) {
            val path = folder()
            val opening = launch(Dispatchers.Default) { open(path) }
            if (it % 2 == 1) opening.start()
            opening.cancelAndJoin()
            // The store is free, or will be at once.
            open(path).use { node -> assertTrue(node.isOpen) }
        }
        assertEquals(0uL, Library.bridge.callCount())
    }

    @Test
    fun `code of a caller runs on no thread of ours`() = soon {
        open().use { node ->
            withContext(Dispatchers.Unconfined) {
                val threads = List(20) {
                    node.publish(Value.of(it))
                    Thread.currentThread().name
                }
                assertFalse(threads.any { it.startsWith("millpond-pump") }, "$threads")
            }
        }
    }

    @Test
    fun `a node is closed once by many threads, while calls go on`() = soon {
        repeat(10) {
            val node = open()
            // It ends, or begins too late.
            val following =
                async { runCatching { node.subscribe("FROM allEvents").events().toList() } }
            val ready = CountDownLatch(1)
            val threads = List(8) {
                thread {
                    ready.await()
                    node.close()
                }
            }
            ready.countDown()
            threads.forEach(Thread::join)
            val failed = following.await().exceptionOrNull()
            assertTrue(failed == null || failed is MillpondException.Closed, "$failed")
            assertFalse(node.isOpen)
        }
    }

    @Test
    fun `calls make no threads`() = soon {
        open().use { node ->
            node.grind(1..2000)
            val before = threads()
            repeat(200) { node.publish(Value.of(it)) }
            val small = QueryOptions(batchSize = 10)
            assertEquals(2000, node.query("FROM 'grain'", small).toList().size)
            val made = threads() - before
            assertFalse(made.any { it.startsWith("Thread-") }, "$made")
        }
    }

    private fun threads(): Set<String> = Thread.getAllStackTraces().keys.map { it.name }.toSet()
}
