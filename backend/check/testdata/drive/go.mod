module drive

go 1.25.0

require parlor/backend v0.0.0

replace parlor/backend => ../../../go
