// Package backend is what a back end written in Go needs of Parlor: tokens for users, commands to nodes, and the
// check of webhooks. It needs nothing but the standard library.
//
//	token.go     Key, Grant: making tokens
//	node.go      Node: giving commands; Error
//	webhook.go   VerifyWebhook
//	commands.go  the commands, made of the document that nodes serve
//	objects.go   their requests and answers, events, rights, made likewise
package backend
