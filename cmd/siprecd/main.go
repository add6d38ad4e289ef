// Command siprecd is a SIPREC recording server.
package main

func main() {}
