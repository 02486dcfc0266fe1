# What Kotlin needs: a JDK, Maven, and what its project names, all fetched once.

KOTLIN=bindings/kotlin

# Nothing of Maven is asked for when it is there already.
setup_kotlin() {
    [ -f $KOTLIN/pom.xml ] || return 0
    local missing=()
    have javac || missing+=(default-jdk-headless)
    have mvn || missing+=(maven)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
    once kotlin "$(hash_of $KOTLIN/pom.xml)" kotlin_present fetch_kotlin
}

kotlin_present() {
    local repository=$HOME/.m2/repository/org
    [ -d "$repository/jetbrains/kotlin/kotlin-maven-plugin" ] &&
        [ -d "$repository/apache/maven/surefire/surefire-junit-platform" ]
}

# What runs tests is only found out, and fetched, by a run: one of no test.
fetch_kotlin() {
    kotlin_mvn -q org.apache.maven.plugins:maven-dependency-plugin:3.11.0:go-offline &&
        kotlin_mvn -q -Dtest=None -Dsurefire.failIfNoSpecifiedTests=false test
}

kotlin_mvn() { mvn -B -ntp -f $KOTLIN/pom.xml "$@"; }

# Compiles the package and runs its tests on the JVM, with the library of this build.
test_kotlin() {
    kotlin_mvn -o -Dmillpond.library="$CARGO_TARGET_DIR/debug/libmillpond_ffi.so" test
}
