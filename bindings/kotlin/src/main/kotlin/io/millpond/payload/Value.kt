package io.millpond.payload

/**
 * A payload: one natural value, as every language has it.
 *
 * Whole numbers keep 64 bits, from −2^63 to 2^64 − 1. Two values are equal when their bytes are.
 */
public sealed interface Value {
    /** Nothing. */
    public data object Null : Value

    /** True or false. */
    public data class Flag(public val value: Boolean) : Value

    /** A whole number within the range of [Long]. */
    public data class Integer(public val value: Long) : Value

    /** A whole number beyond the range of [Long]. */
    public data class Unsigned(public val value: ULong) : Value {
        init {
            require(value > Long.MAX_VALUE.toULong()) { "$value fits a Long: use Value.Integer" }
        }
    }

    /** Another number; neither NaN nor an infinity. */
    public data class Number(public val value: Double) : Value

    /** Text. */
    public data class Text(public val value: String) : Value

    /** Bytes. */
    public class Bytes(public val value: ByteArray) : Value {
        override fun equals(other: Any?): Boolean =
            other is Bytes && value.contentEquals(other.value)

        override fun hashCode(): Int = value.contentHashCode()

        override fun toString(): String = "Bytes(${value.size})"
    }

    /** Values in order. */
    public data class Items(public val value: List<Value>) : Value

    /** Values by name; the order of the names says nothing. */
    public data class Fields(public val value: Map<String, Value>) : Value

    public companion object {
        /**
         * The value of plain Kotlin: null, a [Boolean], a number, text, a [ByteArray], a list or a
         * map by text of such.
         *
         * @throws IllegalArgumentException it is something else.
         */
        public fun of(plain: Any?): Value = when (plain) {
            null -> Null
            is Value -> plain
            is Boolean -> Flag(plain)
            is Byte, is Short, is Int, is Long -> Integer((plain as kotlin.Number).toLong())
            is UByte -> Integer(plain.toLong())
            is UShort -> Integer(plain.toLong())
            is UInt -> Integer(plain.toLong())
            is ULong -> ofUnsigned(plain)
            is Float, is Double -> Number((plain as kotlin.Number).toDouble())
            is CharSequence -> Text(plain.toString())
            is ByteArray -> Bytes(plain)
            is Iterable<*> -> Items(plain.map(::of))
            is Map<*, *> -> Fields(plain.entries.associate { named(it.key) to of(it.value) })
            else -> throw IllegalArgumentException("${plain::class} is no payload")
        }

        internal fun ofUnsigned(value: ULong): Value =
            if (value > Long.MAX_VALUE.toULong()) Unsigned(value) else Integer(value.toLong())

        private fun named(name: Any?): String = requireNotNull(name as? String) {
            "a field is named by text, not by $name"
        }
    }
}
