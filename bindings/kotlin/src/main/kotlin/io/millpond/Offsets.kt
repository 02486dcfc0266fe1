package io.millpond

import io.millpond.internal.failing
import io.millpond.internal.generated.offsetsCovers
import io.millpond.internal.generated.offsetsEntries
import io.millpond.internal.generated.offsetsMerge
import io.millpond.internal.generated.offsetsOf
import io.millpond.internal.generated.offsetsParse
import io.millpond.internal.invalid

/**
 * A point in history: of each stream, by its id, how many events it counts. A stream that is absent
 * counts none.
 *
 * @property token the same as compact text, to be handed to any language.
 */
public class Offsets private constructor(public val token: String) : AbstractMap<String, Long>() {
    override val entries: Set<Map.Entry<String, Long>> by lazy {
        failing { offsetsEntries(token) }.mapValues { it.value.toLong() }.entries
    }

    /** What either counts. */
    public operator fun plus(other: Offsets): Offsets =
        Offsets(failing { offsetsMerge(listOf(token, other.token)) })

    /** Whether this counts everything that [other] counts. */
    public fun covers(other: Offsets): Boolean = failing { offsetsCovers(token, other.token) }

    override fun toString(): String = token

    public companion object {
        /** Counts nothing. */
        public val EMPTY: Offsets by lazy { of(emptyMap()) }

        /** @throws MillpondException.InvalidArgument it is no token, or was altered. */
        public fun parse(token: String): Offsets = Offsets(failing { offsetsParse(token) })

        /** @throws MillpondException.InvalidArgument a stream id is none, a count negative. */
        public fun of(counts: Map<String, Long>): Offsets {
            val negative = counts.values.any { it < 0 }
            if (negative) throw invalid("a count of an offset map is negative")
            return Offsets(failing { offsetsOf(counts.mapValues { it.value.toULong() }) })
        }

        internal fun trusted(token: String): Offsets = Offsets(token)
    }
}
