terraform {
  required_version = ">= 1.11" # write-only arguments: the database's password is in no state
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
  # terraform init -backend-config=bucket=... -backend-config=key=perennial.tfstate -backend-config=region=...
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Project = local.name }
  }
}

data "aws_caller_identity" "this" {}

locals {
  name    = var.name
  account = data.aws_caller_identity.this.account_id
}
