package io.millpond.payload

import io.millpond.internal.invalid

/**
 * A value from the bytes of a payload. They were checked when they were published or received;
 * what runs past their end, or is of no form that is published, is refused all the same.
 */
internal class CborReader(private val bytes: ByteArray, private var at: Int, private val end: Int) {
    /** The one value that there is. */
    fun whole(): Value {
        val value = value(0)
        if (at != end) throw damaged()
        return value
    }

    private fun value(depth: Int): Value {
        if (depth > DEPTH_MAX) throw damaged()
        val first = byte()
        val small = first and 0x1f
        return when (first ushr 5) {
            0 -> Value.ofUnsigned(argument(small))
            1 -> Value.Integer(length(argument(small), Long.MAX_VALUE).inv())
            2 -> Value.Bytes(slice(argument(small)))
            3 -> Value.Text(slice(argument(small)).decodeToString(throwOnInvalidSequence = true))
            4 -> Value.Items(List(count(argument(small))) { value(depth + 1) })
            5 -> fields(count(argument(small)), depth)
            7 -> simple(small)
            else -> throw damaged()
        }
    }

    private fun fields(count: Int, depth: Int): Value {
        val fields = LinkedHashMap<String, Value>()
        repeat(count) {
            val name = value(depth + 1) as? Value.Text ?: throw damaged()
            fields[name.value] = value(depth + 1)
        }
        return Value.Fields(fields)
    }

    private fun simple(small: Int): Value = when (small) {
        20 -> Value.Flag(false)
        21 -> Value.Flag(true)
        22 -> Value.Null
        25 -> Value.Number(half(big(2).toInt()))
        26 -> Value.Number(Float.fromBits(big(4).toInt()).toDouble())
        27 -> Value.Number(Double.fromBits(big(8)))
        else -> throw damaged()
    }

    private fun half(bits: Int): Double {
        val exponent = bits ushr 10 and 0x1f
        val mantissa = (bits and 0x3ff).toDouble()
        val value = when (exponent) {
            0 -> Math.scalb(mantissa, -24)
            else -> Math.scalb(mantissa + 1024, exponent - 25)
        }
        return if (bits and 0x8000 != 0) -value else value
    }

    private fun argument(small: Int): ULong = when (small) {
        in 0..23 -> small.toULong()
        24 -> big(1).toULong()
        25 -> big(2).toULong()
        26 -> big(4).toULong()
        27 -> big(8).toULong()
        else -> throw damaged()
    }

    /** How many follow, each of a byte at least. */
    private fun count(value: ULong): Int = length(value, (end - at).toLong()).toInt()

    private fun length(value: ULong, most: Long): Long =
        if (value > most.toULong()) throw damaged() else value.toLong()

    private fun slice(size: ULong): ByteArray {
        val start = at
        at += count(size)
        return bytes.copyOfRange(start, at)
    }

    private fun big(width: Int): Long {
        if (end - at < width) throw damaged()
        var value = 0L
        repeat(width) { value = value shl 8 or (bytes[at++].toLong() and 0xff) }
        return value
    }

    private fun byte(): Int = big(1).toInt()

    private fun damaged() = invalid("these bytes are no payload")

    private companion object {
        /** Deeper than any payload is: what nests without end is no way to exhaust the stack. */
        const val DEPTH_MAX = 64
    }
}
