package io.millpond

import io.millpond.internal.generated.Batch
import io.millpond.internal.invalid
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * Events that arrived together, 0 to 4,096, with where the reader stands after them.
 *
 * @property isEnd there will be no more.
 * @property isDurable false when these came before they were on this node's disk: then [position]
 *   does not count them, and a power cut may take them back.
 * @property caughtUp true from the batch on that completes the log as it was at the start.
 * @property lag how many events of the log this had not passed yet: an upper bound.
 * @property isRewind events came late in the order of keys: what was delivered behind [rewindTo] is
 *   to be forgotten, and comes again in order with them. There is no event in it.
 * @property rewindTo of a rewind: the key of the last event that stays; none does without one.
 * @property position what was read, and all that lies before it.
 * @property resume where another subscription of the same order goes on.
 */
public class EventBatch internal constructor(batch: Batch) : AbstractList<Event>() {
    private val packed = Packed(batch)

    public val isEnd: Boolean = batch.isEnd
    public val isDurable: Boolean = batch.isDurable
    public val caughtUp: Boolean = batch.caughtUp
    public val lag: Long = batch.lag.toLong()
    public val isRewind: Boolean = batch.isRewind
    public val rewindTo: EventKey? = batch.rewindTo?.let(EventKey::parse)
    public val position: Offsets = Offsets.trusted(batch.position)
    public val resume: String = batch.resume ?: batch.position

    override val size: Int = batch.count.toInt()

    override fun get(index: Int): Event {
        if (index !in indices) throw IndexOutOfBoundsException("$index of $size events")
        return Event(packed, index)
    }
}

/** Rows and bytes of a batch, as `packed.rs` of the facade describes them. */
internal class Packed(private val batch: Batch) {
    private val rows = ByteBuffer.wrap(batch.rows).order(ByteOrder.LITTLE_ENDIAN)

    fun number(index: Int, column: Int): Long = rows.getDouble(index * ROW + 8 * column).toLong()

    fun text(index: Int, word: Int): String = batch.texts[word(index, word)]

    fun tags(index: Int): List<String> {
        if (!batch.hasTags) throw leftOut("tags")
        var at = if (index == 0) 0 else word(index - 1, PAYLOAD_END)
        return List(word(index, TAGS)) {
            // A varint: a tag has at most 255 bytes.
            var length = batch.bytes[at++].toInt()
            if (length < 0) length = length and 0x7f or (batch.bytes[at++].toInt() shl 7)
            at += length
            batch.bytes.decodeToString(at - length, at)
        }
    }

    /** What [use] makes of the bytes and where the payload lies in them. */
    inline fun <T> payload(index: Int, use: (ByteArray, Int, Int) -> T): T {
        if (!hasPayload) throw leftOut("payload")
        return use(bytes, word(index, TAGS_END), word(index, PAYLOAD_END))
    }

    val hasPayload: Boolean get() = batch.hasPayload
    val bytes: ByteArray get() = batch.bytes

    fun word(index: Int, word: Int): Int = rows.getInt(index * ROW + NUMBERS + 4 * word)

    fun leftOut(column: String) = invalid("the columns of the query leave the $column out")

    companion object {
        const val STREAM = 0
        const val APP = 1
        const val TAGS_END = 3
        const val PAYLOAD_END = 4
        private const val TAGS = 2
        private const val ROW = 48
        private const val NUMBERS = 24
    }
}
