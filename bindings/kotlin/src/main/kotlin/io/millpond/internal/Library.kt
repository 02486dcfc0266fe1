package io.millpond.internal

import io.millpond.internal.generated.Bridge

/** Finds the native library before the generated code looks for it, and holds the one bridge. */
internal object Library {
    /** A path, said by whoever keeps the library elsewhere than this package does. */
    private const val PATH = "millpond.library"

    /** Where the generated code asks. */
    private const val OVERRIDE = "uniffi.component.millpond_ffi.libraryOverride"

    init {
        System.getProperty(PATH)?.let { System.setProperty(OVERRIDE, it) }
    }

    /** Whoever asks the generated code for something asks this first. */
    fun find(): Unit = Unit

    val bridge: Bridge by lazy {
        val bridge = failing { Bridge() }
        // Says goodbye to peers. What was acknowledged is durable either way.
        Runtime.getRuntime().addShutdownHook(Thread { bridge.shut(null) })
        bridge
    }
}
