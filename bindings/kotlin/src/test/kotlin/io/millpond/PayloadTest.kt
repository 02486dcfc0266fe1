package io.millpond

import io.millpond.payload.CborReader
import io.millpond.payload.CborWriter
import io.millpond.payload.Value
import kotlin.random.Random
import java.nio.charset.CharacterCodingException
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class PayloadTest {
    private fun bytes(value: Value) = CborWriter().apply { value(value) }.toByteArray()

    private fun read(bytes: ByteArray) = CborReader(bytes, 0, bytes.size).whole()

    private fun hex(text: String) = text.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

    @Test
    fun `values have the bytes that every language gives them`() {
        val known = mapOf(
            null to "f6", true to "f5", 0 to "00", 23 to "17", 24 to "1818", -1 to "20",
            256 to "190100", Long.MAX_VALUE to "1b7fffffffffffffff",
            Long.MIN_VALUE to "3b7fffffffffffffff", ULong.MAX_VALUE to "1bffffffffffffffff",
            0.0 to "f90000", -0.0 to "f98000", 1.5 to "f93e00", 65504.0 to "f97bff",
            5.960464477539063e-8 to "f90001", 100000.0 to "fa47c35000",
            1.1 to "fb3ff199999999999a", "ü" to "62c3bc", byteArrayOf(1, 2) to "420102",
            listOf(1, listOf(2)) to "82018102", mapOf("bb" to 1, "c" to 2) to "a26163026262620 1"
                .replace(" ", ""),
        )
        for ((plain, expected) in known) {
            val value = Value.of(plain)
            assertArrayEquals(hex(expected), bytes(value), "$plain")
            assertEquals(value, read(hex(expected)), "$plain")
        }
    }

    @Test
    fun `random values come back as they were, and the native half takes their bytes`() = soon {
        val random = Random(7)
        val values = List(300) { random(random, 0) }
        for (value in values) assertEquals(value, read(bytes(value)))
        open().use { node ->
            node.publishAll(values.map { Draft(it, listOf("random")) })
            assertEquals(values, node.query("FROM 'random'").toList().map { it.payload })
        }
    }

    @Test
    fun `bytes that are no payload are refused and never run on`() {
        val random = Random(8)
        repeat(20_000) {
            val bytes = random.nextBytes(random.nextInt(1, 40))
            runCatching { read(bytes) }.onFailure { error ->
                val isKnown = error is MillpondException || error is CharacterCodingException
                if (!isKnown) throw error
            }
        }
        assertThrows(MillpondException::class.java) { read(ByteArray(100_000) { 0x81.toByte() }) }
    }

    private fun random(random: Random, depth: Int): Value = when (random.nextInt(kinds(depth))) {
        0 -> Value.Null
        1 -> Value.Flag(random.nextBoolean())
        2 -> Value.of(random.nextLong() shr random.nextInt(64))
        3 -> Value.of(random.nextLong().toULong())
        4 -> Value.Number(random.nextInt(-99, 99) / 8.0)
        5 -> Value.Number(random.nextDouble())
        6 -> Value.Text(List(random.nextInt(30)) { LETTERS.random(random) }.joinToString(""))
        7 -> Value.Items(List(random.nextInt(5)) { random(random, depth + 1) })
        else -> {
            val names = List(random.nextInt(5)) { "k".repeat(it + random.nextInt(3)) }
            Value.Fields(names.associateWith { random(random, depth + 1) })
        }
    }

    /** The last two are made of others. */
    private fun kinds(depth: Int) = if (depth < 3) 9 else 7

    private companion object {
        val LETTERS = listOf("a", "ü", "語", "𝄞")
    }
}
