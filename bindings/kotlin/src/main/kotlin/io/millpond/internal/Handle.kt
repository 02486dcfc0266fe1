package io.millpond.internal

import java.lang.ref.PhantomReference
import java.lang.ref.ReferenceQueue
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicBoolean

/**
 * What stands for something of the native half, which is released once: by its owner, or by the
 * pump when the owner was forgotten.
 */
internal class Handle(owner: Any, val id: ULong) {
    private val net = Net(owner, id).also { nets += it }

    /** Releases it; false if that happened before. */
    fun release(): Boolean = net.release()

    /** It was closed by a call of its own. */
    fun forget() {
        net.drop()
    }

    private class Net(owner: Any, private val id: ULong) : PhantomReference<Any>(owner, forgotten) {
        private val isDone = AtomicBoolean()

        fun drop(): Boolean {
            nets -= this
            return isDone.compareAndSet(false, true)
        }

        fun release(): Boolean {
            if (!drop()) return false
            failing { Library.bridge.release(id) }
            return true
        }
    }

    companion object {
        private val forgotten = ReferenceQueue<Any>()
        private val nets: MutableSet<Net> = ConcurrentHashMap.newKeySet()

        /** Releases what nobody can reach any more. */
        fun releaseForgotten() {
            while (true) (forgotten.poll() as Net? ?: return).release()
        }
    }
}
