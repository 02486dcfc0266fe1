package io.millpond

import io.millpond.payload.Value
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class NodeTest {
    @Test
    fun `what was published is there again after the store was closed and opened`() = soon {
        val path = folder()
        val payload = Value.of(mapOf("job" to 42, "press" to "7", "hot" to null))
        val receipt = open(path).use { node ->
            val receipt = node.publish(payload, listOf("press:7", "job"))
            assertEquals(0, receipt.offset)
            assertTrue(node.offsets().covers(receipt.token))
            receipt
        }
        open(path).use { node ->
            val event = node.query("FROM 'press:7'").toList().single()
            assertEquals(receipt.key, event.key)
            assertEquals(listOf("job", "press:7"), event.tags)
            assertEquals("kotlin-test", event.app)
            assertEquals(payload, event.payload)
            assertEquals(node.stream, event.stream)
        }
    }

    @Test
    fun `a query gives events in the order and with the columns that were asked for`() = soon {
        open().use { node ->
            node.grind(1..5)
            val descending = QueryOptions(order = Order.Descending, batchSize = 2)
            val events = node.query("FROM 'grain'", descending).toList()
            assertEquals((5L downTo 1L).toList(), numbers(events))
            val tags = QueryOptions(columns = setOf(Column.Tags))
            val event = node.query("FROM 'grain'", tags).events().first()
            assertEquals(listOf("grain"), event.tags)
            assertThrows(MillpondException.InvalidArgument::class.java) { event.payload }
        }
    }

    @Test
    fun `a key that was used stores nothing again`() = soon {
        open().use { node ->
            val options = PublishOptions(Durability.Process, "k".toByteArray())
            val first = node.publish(Value.of(1), options = options)
            val again = node.publish(Value.of(1), options = options)
            assertEquals(first.key, again.key)
            assertEquals(listOf(false, true), listOf(first.replayed, again.replayed))
            val other = runCatching { node.publish(Value.of(2), options = options) }
            assertTrue(other.exceptionOrNull() is MillpondException.Conflict)
        }
    }

    @Test
    fun `a subscription delivers what is there and what comes, until its collector ends`() = soon {
        open().use { node ->
            node.grind(1..3)
            val all = SubscribeOptions(from = StartAt.Beginning)
            val collected = async { node.subscribe("FROM 'grain'", all).events().take(6).toList() }
            node.grind(4..6)
            assertEquals((1L..6L).toList(), numbers(collected.await()))
        }
    }

    @Test
    fun `a subscription goes on where another stood`() = soon {
        open().use { node ->
            node.grind(1..4)
            val all = SubscribeOptions(from = StartAt.Beginning, batchSize = 2)
            val first = node.subscribe("FROM 'grain'", all).batches().first { it.isNotEmpty() }
            assertEquals(listOf(1L, 2L), numbers(first))
            val rest = SubscribeOptions(from = StartAt.Position(first.resume))
            val events = node.subscribe("FROM 'grain'", rest).events().take(2).toList()
            assertEquals(listOf(3L, 4L), numbers(events))
        }
    }

    @Test
    fun `a subscription ends when its node is closed`() = soon {
        val node = open()
        val collected = launch { node.subscribe("FROM allEvents").events().toList() }
        node.publish(Value.of(1))
        assertTrue(node.shutdown())
        collected.join()
        assertFalse(node.shutdown())
    }

    @Test
    fun `two nodes of this process come to the same history`() = soon {
        val local = OpenOptions(discovery = false, bind = listOf("127.0.0.1:0"))
        open(options = local).use { one ->
            open(options = local).use { other ->
                one.connect(other.ticket())
                val mine = async { one.grind(1..100) }
                val theirs = async { other.grind(101..200) }
                val both = awaitAll(mine, theirs).map { it.token }.reduce(Offsets::plus)
                for (node in listOf(one, other)) node.waitFor(both)
                val seen = listOf(one, other).map { node ->
                    node.query("FROM 'grain'", QueryOptions(upper = both)).toList().map { it.key }
                }
                assertEquals(200, seen[0].size)
                assertEquals(seen[0], seen[1])
                assertEquals(seen[0].sorted(), seen[0])
            }
        }
    }

    @Test
    fun `a session reads what it wrote`() = soon {
        open().use { node ->
            node.session().use { session ->
                val receipt = node.publish(Value.of(1), options = PublishOptions(session = session))
                assertTrue(session.token.covers(receipt.token))
                val options = QueryOptions(session = session)
                assertEquals(1, node.query("FROM allEvents", options).toList().size)
            }
        }
    }

    @Test
    fun `the same store opened twice is the same store`() = soon {
        val path = folder()
        open(path).use { one ->
            open(path).use { other -> assertEquals(one.id, other.id) }
        }
    }

    @Test
    fun `status, figures, verification and compaction are told`() = soon {
        open().use { node ->
            node.grind(1..3)
            assertTrue(node.statusJson().startsWith("{"))
            assertTrue("millpond_" in node.metrics())
            assertTrue(node.verifyJson().startsWith("{"))
            assertTrue(node.compactJson().startsWith("{"))
            assertTrue(node.statsJson().startsWith("{"))
        }
    }

    @Test
    fun `offset maps are values`() = soon {
        open().use { node ->
            val token = node.grind(1..2).token
            assertEquals(mapOf(node.stream to 2L), token)
            assertEquals(token, Offsets.parse(token.token))
            assertTrue((Offsets.EMPTY + token).covers(token))
            assertFalse(Offsets.EMPTY.covers(token))
            assertSame(Offsets.EMPTY, Offsets.EMPTY)
        }
    }
}
