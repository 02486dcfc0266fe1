package io.millpond

import io.millpond.payload.Value
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ErrorsTest {
    private suspend inline fun <reified T : MillpondException> fails(call: suspend () -> Unit): T {
        val thrown = runCatching { call() }.exceptionOrNull()
        assertTrue(thrown is T, "$thrown")
        return thrown as T
    }

    @Test
    fun `each kind is a class with its number and name`() {
        val seen = (1..21).map { MillpondException.of(it, "mill") }
        assertEquals((1..21).toList(), seen.map { it.code })
        assertEquals(21, seen.map { it::class }.toSet().size)
        assertTrue(seen[5] is MillpondException.NotYetVisible && seen[5].retryable)
        assertEquals("mill [internal]", "${MillpondException.of(99, "mill")}")
    }

    @Test
    fun `a wrong query says where`() = soon {
        open().use { node ->
            val error = fails<MillpondException.QueryInvalid> { node.query("FROM 'a' &").toList() }
            assertTrue(error.position != null, "$error")
            assertFalse(error.retryable)
        }
    }

    @Test
    fun `what is not here is named`() = soon {
        open().use { node ->
            val ahead = Offsets.of(mapOf(node.stream to 7L))
            val error = fails<MillpondException.NotYetVisible> {
                node.waitFor(ahead, timeout = 1.milliseconds)
            }
            assertTrue(node.stream in error.missingJson.orEmpty(), "${error.missingJson}")
            assertTrue(error.retryable)
        }
    }

    @Test
    fun `wrong arguments are refused before anything happens`() = soon {
        open().use { node ->
            fails<MillpondException.InvalidArgument> { node.publish(Value.Number(Double.NaN)) }
            fails<MillpondException.InvalidArgument> { node.publish(Value.Text("\ud800")) }
            fails<MillpondException.InvalidArgument> { node.publishAll(emptyList()) }
            fails<MillpondException.InvalidArgument> {
                node.waitFor(Offsets.EMPTY, timeout = -1.seconds)
            }
            fails<MillpondException.InvalidArgument> { Offsets.parse("mill") }
            fails<MillpondException.InvalidArgument> { node.connect("mill") }
            fails<MillpondException.LimitExceeded> { node.publish(Value.of(ByteArray(1 shl 20))) }
            node.waitFor(Offsets.EMPTY, timeout = Duration.INFINITE)
            assertEquals(Offsets.EMPTY, node.offsets())
        }
        fails<MillpondException.InvalidArgument> {
            Millpond.open(folder(), "a b", SECRET, options = OpenOptions(network = false))
        }
    }

    @Test
    fun `a closed node says so`() = soon {
        val node = open()
        val cursor = node.query("FROM allEvents").open()
        node.close()
        node.close()
        assertFalse(node.isOpen)
        fails<MillpondException.Closed> { node.publish(Value.of(1)) }
        fails<MillpondException.Closed> { cursor.nextBatch() }
        fails<MillpondException.Closed> { node.offsets() }
        cursor.close()
        cursor.close()
    }

    @Test
    fun `secrets do not show`() {
        val secret = Millpond.newSwarmSecret()
        assertEquals(64, secret.hex.length)
        assertFalse(secret.hex in "$secret")
        assertEquals(128, Millpond.nextSwarmSecret(secret).hex.length)
        assertTrue(Regex("\\d+\\.\\d+\\.\\d+").matches(Millpond.version))
    }
}
