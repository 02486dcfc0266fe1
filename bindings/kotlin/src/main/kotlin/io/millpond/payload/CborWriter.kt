package io.millpond.payload

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.CharBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.CodingErrorAction

/**
 * Bytes of payloads: CBOR in its one deterministic encoding, which is what millpond stores. The
 * native half checks all of it; what is refused here is only what has no bytes.
 */
internal class CborWriter {
    private var bytes = ByteArray(256)
    private var size = 0

    fun toByteArray(): ByteArray = bytes.copyOf(size)

    fun value(value: Value) {
        when (value) {
            Value.Null -> byte(0xf6)
            is Value.Flag -> byte(if (value.value) 0xf5 else 0xf4)
            is Value.Integer -> integer(value.value)
            is Value.Unsigned -> head(0, value.value)
            is Value.Number -> number(value.value)
            is Value.Text -> text(value.value)
            is Value.Bytes -> sized(2, value.value)
            is Value.Items -> {
                head(4, value.value.size.toULong())
                value.value.forEach(::value)
            }
            is Value.Fields -> fields(value.value)
        }
    }

    /** A number of 32 bits, little endian. */
    fun word(word: Int) {
        room(4)
        for (shift in 0..24 step 8) bytes[size++] = (word shr shift).toByte()
    }

    /** What [write] writes, after its length as [word]. */
    fun framed(write: () -> Unit) {
        word(0)
        val start = size
        write()
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(start - 4, size - start)
    }

    fun raw(more: ByteArray) {
        room(more.size)
        more.copyInto(bytes, size)
        size += more.size
    }

    private fun integer(value: Long) =
        if (value >= 0) head(0, value.toULong()) else head(1, value.inv().toULong())

    private fun number(value: Double) {
        require(value.isFinite()) { "$value is no payload" }
        val single = value.toFloat()
        val half = halfOf(single)
        when {
            single.toDouble() != value -> {
                byte(0xfb)
                big(value.toRawBits(), 8)
            }
            half == null -> {
                byte(0xfa)
                big(single.toRawBits().toLong(), 4)
            }
            else -> {
                byte(0xf9)
                big(half.toLong(), 2)
            }
        }
    }

    private fun text(text: String) = sized(3, utf8(text))

    private fun fields(fields: Map<String, Value>) {
        // By the bytes of the encoded names: shorter ones first.
        val named = fields.map { (name, value) -> utf8(name) to value }
        head(5, named.size.toULong())
        for ((name, value) in named.sortedWith { (one), (other) -> order(one, other) }) {
            sized(3, name)
            value(value)
        }
    }

    private fun order(one: ByteArray, other: ByteArray): Int {
        val bySize = one.size.compareTo(other.size)
        return if (bySize != 0) bySize else java.util.Arrays.compareUnsigned(one, other)
    }

    private fun sized(major: Int, more: ByteArray) {
        head(major, more.size.toULong())
        raw(more)
    }

    private fun head(major: Int, value: ULong) {
        val top = major shl 5
        when {
            value < 24u -> byte(top or value.toInt())
            value <= 0xffu -> headed(top or 24, value, 1)
            value <= 0xffffu -> headed(top or 25, value, 2)
            value <= 0xffff_ffffu -> headed(top or 26, value, 4)
            else -> headed(top or 27, value, 8)
        }
    }

    private fun headed(first: Int, value: ULong, width: Int) {
        byte(first)
        big(value.toLong(), width)
    }

    private fun big(value: Long, width: Int) {
        room(width)
        for (shift in (width - 1) * 8 downTo 0 step 8) bytes[size++] = (value shr shift).toByte()
    }

    private fun byte(byte: Int) {
        room(1)
        bytes[size++] = byte.toByte()
    }

    private fun room(more: Int) {
        if (size + more > bytes.size) bytes = bytes.copyOf(maxOf(bytes.size * 2, size + more))
    }

    companion object {
        /** Text as bytes; a lone surrogate has none. */
        fun utf8(text: String): ByteArray = try {
            val encoder = Charsets.UTF_8.newEncoder().onMalformedInput(CodingErrorAction.REPORT)
            val encoded = encoder.encode(CharBuffer.wrap(text))
            ByteArray(encoded.remaining()).also(encoded::get)
        } catch (_: CharacterCodingException) {
            throw IllegalArgumentException("text with a lone surrogate is no payload")
        }

        /** The 16 bits of a float that is exactly one of them. */
        private fun halfOf(value: Float): Int? {
            val bits = value.toRawBits()
            val sign = bits ushr 16 and 0x8000
            val exponent = (bits ushr 23 and 0xff) - 127
            val mantissa = bits and 0x7f_ffff
            return when {
                bits and 0x7fff_ffff == 0 -> sign
                exponent in -14..15 && mantissa and 0x1fff == 0 ->
                    sign or (exponent + 15 shl 10) or (mantissa ushr 13)
                exponent in -24..-15 -> {
                    val whole = mantissa or 0x80_0000
                    val shift = -exponent - 1
                    if (whole and (1 shl shift) - 1 == 0) sign or (whole ushr shift) else null
                }
                else -> null
            }
        }
    }
}
