package io.millpond

import io.millpond.internal.Handle
import io.millpond.internal.failing
import io.millpond.internal.generated.sessionNew
import io.millpond.internal.generated.sessionSees
import io.millpond.internal.generated.sessionToken

/** One user's view over any nodes: what was seen in it every later call that names it sees. */
public class Session : AutoCloseable {
    private val handle = Handle(this, failing { sessionNew() })

    internal val id: ULong get() = handle.id

    /** What it has seen. */
    public val token: Offsets get() = Offsets.trusted(failing { sessionToken(id) })

    /** It has seen this, too. */
    public fun sees(token: Offsets): Unit = failing { sessionSees(id, token.token) }

    override fun close() {
        handle.release()
    }
}
