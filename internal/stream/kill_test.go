package stream

const childEnv = "RINGFENCE_STREAM_CHILD"

func childMain() int { return 0 }
